"""Published models ↔ specs: importing HuggingFace directories of known families, exactly or not at all."""

from eulerstack.interop.families import FAMILIES
from eulerstack.interop.importer import Imported, import_model, import_spec
from eulerstack.interop.reading import Reading, read

__all__ = ["FAMILIES", "Imported", "Reading", "import_model", "import_spec", "read"]
