"""Every diagnostic there is: its category, its severity and the command that tells more.

The words stand in `locales/<lang>/diagnostics/*.json` under the same code, as `what` and `fix` (a code may have several
fixes, `fix_<variant>`). A test holds catalogue and locales equal.
"""

from dataclasses import dataclass
from typing import Literal

VALIDATION = "ValidationError"
COMPATIBILITY = "CompatibilityError"
NORMALIZATION = "NormalizationError"
COMPILE = "CompileError"


@dataclass(frozen=True, slots=True)
class Entry:
    """One code of the catalogue."""

    category: str
    severity: Literal["Error", "Warning", "Info"] = "Error"
    see: str = "eulerstack schema"


CATALOGUE: dict[str, Entry] = {
    # dsl: the text itself
    # schema: structure
    # schema: compatibility
    # schema and ir: realism
    # ir: resolution and expansion
    # compiler
    # cli: the call
}
