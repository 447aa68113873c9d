"""Why something failed, in the reader's language: what Python, the system and file formats say in English only."""

import errno
import json
from dataclasses import field

from eulerstack import i18n
from eulerstack.records import dataclass

_DOMAIN = "reasons"


@dataclass(frozen=True)
class Reason:
    """A parameter that is words itself; looked up in the language in which its message is shown."""

    key: str
    params: dict[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return i18n.text(_DOMAIN, self.key, **self.params)


def reason(failure: BaseException) -> Reason | str:
    """What went wrong. A system's error number that has no text here shows as its name (`ESTALE`), an exception of
    another library in the first line of its own words, or as its type where it has none.
    """
    match failure:
        case BaseException(args=(Reason() as told, *_)):
            return told
        case OSError(errno=int(number)):
            name = errno.errorcode.get(number, str(number))
            return Reason(name) if i18n.has(_DOMAIN, name) else name
        case json.JSONDecodeError(lineno=line, colno=column):
            return Reason("not-json", {"line": line, "column": column})
        case UnicodeDecodeError(start=start):
            return Reason("not-utf8", {"byte": start})
        case RecursionError():
            return Reason("too-deep")
        case ValueError() if "null" in str(failure):  # os.stat and open: a NUL inside a path
            return Reason("nul")
    return next(iter(str(failure).strip().splitlines()), type(failure).__name__)


def unexpected(failure: BaseException) -> Reason | str:
    """The same of a failure that nobody foresaw: where it speaks in its own words, its type stands before them."""
    told = reason(failure)
    kind = type(failure).__name__
    return told if isinstance(told, Reason) or told == kind else f"{kind}: {told}"
