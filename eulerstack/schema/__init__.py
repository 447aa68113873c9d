"""Layer 2: from the located tree to closed typed keys, with every fault of a spec in one run."""

from eulerstack.schema.check import Checked, check
from eulerstack.schema.spec import Spec

__all__ = ["Checked", "Spec", "check"]
