"""What a plain scalar means: YAML 1.2's core schema, without the traps of YAML 1.1.

`yes`, `no`, `on`, `off`, dates and `12:30:45` are strings; `1e-4` and `.5e3` are numbers. Two readings are ours:

- a decimal integer with a leading zero is refused, because YAML 1.1 reads `017` as 15 and YAML 1.2 as 17;
- `1_000_000` is an integer where the underscores part groups of three digits: YAML 1.1 reads it so, and specs of the
  published versions use it.
"""

import math
import re
from dataclasses import field

from eulerstack.dsl.tree import Value
from eulerstack.records import dataclass

MAX_DIGITS = 64
"""The longest integer that is read; nothing in the language is nearly as large."""

# Three sets, kept apart by the look-ahead: one set of wide characters takes longer to compile than a spec to read.
NOT_PRINTABLE = re.compile(
    r"[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]|(?=[\ud800-\udfff]).|(?=[\ufeff\ufffe\uffff])."
)
"""What may not stand in YAML, and as an escape in no value of a spec: names and texts end up on terminals."""

_WORDS: dict[str, Value] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_GROUPED = re.compile(r"[-+]?[1-9][0-9]{0,2}(_[0-9]{3})+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass(frozen=True, slots=True)
class Refused:
    """A scalar that is no value: the diagnostic's code and numbers."""

    code: str
    params: dict[str, object] = field(default_factory=dict)


def resolve_plain(text: str) -> Value | Refused:
    """The value of an unquoted scalar."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "-+.0123456789":
        return text
    if _DECIMAL.fullmatch(text):
        return _decimal(text)
    if _GROUPED.fullmatch(text):
        return _integer(text.replace("_", ""), 10)
    if _BASED.fullmatch(text):
        return _integer(text[2:], 8 if text[1] == "o" else 16)
    if _FLOAT.fullmatch(text):
        return _float(text)
    if _NOT_FINITE.fullmatch(text):
        return Refused("not-finite", {"number": text})
    return text


def check_text(text: str) -> str | Refused:
    """A quoted or block scalar, unless an escape in it stands for a control character."""
    forbidden = NOT_PRINTABLE.search(text)
    return text if forbidden is None else Refused("control-character", {"character": f"U+{ord(forbidden.group()):04X}"})


def _decimal(text: str) -> int | Refused:
    digits = text.lstrip("+-")
    bare = digits.lstrip("0")
    if bare and bare != digits and len(text) <= MAX_DIGITS:
        return Refused("leading-zero", {"number": text, "decimal": text.replace(digits, bare).lstrip("+")})
    return _integer(text, 10)


def _integer(digits: str, base: int) -> int | Refused:
    if len(digits) > MAX_DIGITS:
        return Refused("number-too-long", {"digits": len(digits), "limit": MAX_DIGITS})
    return int(digits, base)


def _float(text: str) -> float | Refused:
    if len(text) > MAX_DIGITS:
        return Refused("number-too-long", {"digits": len(text), "limit": MAX_DIGITS})
    value = float(text)
    mantissa = re.split("[eE]", text)[0]
    if math.isinf(value) or (value == 0 and mantissa.strip("+-0.")):
        return Refused("number-out-of-range", {"number": text})
    return value
