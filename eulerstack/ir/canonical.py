"""From a canonical spec, as a plain mapping that code has changed, to the model that it describes."""

from typing import Any

from eulerstack.diagnostics import Source
from eulerstack.dsl import resolve
from eulerstack.ir.lower import lower
from eulerstack.ir.nodes import Model
from eulerstack.ir.yaml_text import dump
from eulerstack.schema import check

Plain = dict[str, Any]


def lowered(plain: Plain, name: str) -> Model:
    """The model of a canonical spec that code made out of another; that it is valid is the code's promise."""
    checked = check(resolve(Source(f"<{name}>", dump(plain)), _no_base))
    if checked.spec is None:
        faults = "\n".join(str(diagnostic) for diagnostic in checked.diagnostics)
        raise AssertionError(f"what is made out of a valid spec must be one:\n{faults}")
    return lower(checked.spec)


def _no_base(name: str, source: Source) -> Source:
    raise AssertionError("a canonical spec extends nothing")
