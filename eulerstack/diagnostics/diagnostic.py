"""A diagnostic: a code, a place, the numbers of the case. Its words live in `locales/`."""

from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from enum import StrEnum
from typing import Self

from eulerstack import i18n
from eulerstack.diagnostics.catalogue import CATALOGUE
from eulerstack.diagnostics.span import Span
from eulerstack.records import dataclass

REPORT_LIMIT = 20
"""How many diagnostics are printed in one run."""
LONGEST_PARAMETER = 600
"""How many characters of one parameter a message shows; the longest list of known keys has about 500."""
_HELP = " --help"


class Severity(StrEnum):
    """How much a diagnostic weighs. Only errors fail (warnings too under `--strict`)."""

    ERROR = "Error"
    WARNING = "Warning"
    INFO = "Info"


@dataclass(frozen=True, kw_only=True)
class Diagnostic:
    """One finding about a spec or a call.

    `code` names an entry of the catalogue, which gives category and severity; `params` fill the placeholders of the
    texts `diagnostics.<code>.what` and `diagnostics.<code>.<fix>`; `see` is a command that tells more.
    """

    code: str
    span: Span | None = None
    params: Mapping[str, object] = field(default_factory=dict)
    fix: str = "fix"
    see: str | None = None

    def __post_init__(self) -> None:
        if self.code not in CATALOGUE:
            raise KeyError(f"diagnostic code {self.code!r} is not in the catalogue")

    @property
    def severity(self) -> Severity:
        """Error, Warning or Info, from the catalogue."""
        return Severity(CATALOGUE[self.code].severity)

    @property
    def category(self) -> str:
        """`ValidationError`, `CompatibilityError`, `NormalizationError` or `CompileError`."""
        return CATALOGUE[self.code].category

    @property
    def label(self) -> str:
        """The first word of the first line: the category of an error, else `Warning` or `Info`."""
        return self.category if self.severity is Severity.ERROR else self.severity.value

    @property
    def message(self) -> str:
        """What is wrong, one sentence in the current language."""
        return self._text("what")

    @property
    def remedy(self) -> str:
        """What to do about it, one sentence in the current language."""
        return self._text(self.fix)

    def _text(self, part: str) -> str:
        params = {name: _shown(value) for name, value in self.params.items()}
        return _one_line(i18n.text("diagnostics", f"{self.code}.{part}", **params))

    @property
    def see_also(self) -> str:
        """The command that tells more."""
        return self.see or CATALOGUE[self.code].see

    def told_by(self, command: str) -> Self:
        """The same when `command` was called: where the catalogue names a command's help, it is that of this one."""
        return replace(self, see=command + _HELP) if not self.see and self.see_also.endswith(_HELP) else self

    def lines(self) -> tuple[str, str, str]:
        """The three lines of language.md."""
        place = f"{_one_line(str(self.span))} " if self.span else ""
        return f"{self.label}: {place}{self.message}", f"Fix: {self.remedy}", f"See: {_one_line(self.see_also)}"

    def __str__(self) -> str:
        return "\n".join(self.lines())


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))


def printable(text: str) -> str:
    """The text with control characters and lone surrogates as escapes: a spec must not steer a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _shown(value: object) -> object:
    """A parameter as messages show it: long words are cut in the middle."""
    if not isinstance(value, str) or len(value) <= LONGEST_PARAMETER:
        return value
    half = LONGEST_PARAMETER // 2
    return f"{value[:half]}…{value[-half:]}"


def in_text_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Sorted as the text runs; those without a place come first; exact repeats are dropped."""
    unique = {(d.code, d.span, str(sorted(d.params.items(), key=str))): d for d in diagnostics}
    return sorted(unique.values(), key=lambda d: d.span.order if d.span else ("", 0, 0))


class EulerStackError(Exception):
    """A user's mistake, told as one or more diagnostics. `str(error)` is three lines for each, at most 20.

    It speaks the language in which it was raised: a notebook shows it when the call is over.
    """

    def __init__(self, *diagnostics: Diagnostic):
        super().__init__(*diagnostics)
        self.diagnostics = tuple(diagnostics)
        self.language = i18n.language()

    def told_by(self, command: str) -> Self:
        """The same failure of a call of `command`, to whose help it points."""
        failure = type(self)(*(d.told_by(command) for d in self.diagnostics))
        failure.language = self.language
        return failure

    def __str__(self) -> str:
        with i18n.speaking(self.language):
            return "\n".join(str(d) for d in self.diagnostics[:REPORT_LIMIT])

    def _render_traceback_(self) -> list[str]:
        """What IPython shows instead of a traceback."""
        from eulerstack.diagnostics.render import terminal_lines

        with i18n.speaking(self.language):
            return terminal_lines(self.diagnostics, color=True)


class ValidationError(EulerStackError):
    """The text, its structure, a value or the call is wrong."""


class CompatibilityError(EulerStackError):
    """Each part is right, but the parts do not stand together."""


class NormalizationError(EulerStackError):
    """What shows only when the spec is resolved and expanded."""


class CompileError(EulerStackError):
    """A valid spec could not be turned into a model directory."""


_ERRORS = {error.__name__: error for error in (ValidationError, CompatibilityError, NormalizationError, CompileError)}


def error(code: str, **fields: object) -> EulerStackError:
    """The exception for one diagnostic: `raise error("unknown-preset", params={...})`."""
    return collect([Diagnostic(code=code, **fields)])  # type: ignore[arg-type]


def collect(diagnostics: Iterable[Diagnostic]) -> EulerStackError:
    """One exception for several diagnostics, its class the category of the first error among them."""
    ordered = in_text_order(diagnostics)
    errors = [d for d in ordered if d.severity is Severity.ERROR] or ordered
    return _ERRORS[errors[0].category](*errors)
