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
    """One code of the catalogue. `call`: the call is wrong rather than the spec, which is exit code 2 rather than 1."""

    category: str
    severity: Literal["Error", "Warning", "Info"] = "Error"
    see: str = "eulerstack schema"
    call: bool = False


CATALOGUE: dict[str, Entry] = {
    # dsl: the text itself
    # schema: structure
    # schema: compatibility
    # schema and ir: realism
    # ir: resolution and expansion
    # compiler
    # cli: the call
    "unknown-command": Entry(VALIDATION, see="eulerstack --help", call=True),
    "unknown-option": Entry(VALIDATION, see="eulerstack --help", call=True),
    "unknown-choice": Entry(VALIDATION, see="eulerstack --help", call=True),
    "unknown-language": Entry(VALIDATION, see="eulerstack --help", call=True),
    "surplus-argument": Entry(VALIDATION, see="eulerstack --help", call=True),
    "bad-call": Entry(VALIDATION, see="eulerstack --help", call=True),
    "bad-seed": Entry(VALIDATION, see="eulerstack --help", call=True),
    "two-specs": Entry(VALIDATION, see="eulerstack --help", call=True),
    "no-spec": Entry(VALIDATION, see="eulerstack --help", call=True),
    "unknown-output": Entry(VALIDATION, see="eulerstack --help", call=True),
    "file-exists": Entry(VALIDATION, see="eulerstack --help", call=True),
    "cannot-write": Entry(VALIDATION, see="eulerstack --help", call=True),
    "not-a-name": Entry(VALIDATION, see="eulerstack --help", call=True),
    "cell-empty": Entry(VALIDATION, see="eulerstack --help", call=True),
    "unknown-preset": Entry(VALIDATION, see="eulerstack presets list", call=True),
}
