"""What validation found."""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from eulerstack import i18n
from eulerstack.diagnostics import Diagnostic, Severity, Source, render
from eulerstack.ir.nodes import Model
from eulerstack.records import dataclass
from eulerstack.results.shown import AboutSpec
from eulerstack.results.table import facts_lines

if TYPE_CHECKING:
    from rich.text import Text

    from eulerstack.results.explanation import Explanation


@dataclass(frozen=True, repr=False)
class Report(AboutSpec):
    """Everything found about one spec, in the order of the text. `model`: what a valid one means."""

    source: Source
    diagnostics: Sequence[Diagnostic]
    model: Model | None = None

    @property
    def errors(self) -> list[Diagnostic]:
        """What makes the spec wrong."""
        return self._of(Severity.ERROR)

    @property
    def warnings(self) -> list[Diagnostic]:
        """What is probably not meant; fails under `--strict`."""
        return self._of(Severity.WARNING)

    @property
    def notes(self) -> list[Diagnostic]:
        """What is good to know."""
        return self._of(Severity.INFO)

    @property
    def findings(self) -> list[Diagnostic]:
        """Warnings and notes."""
        return [d for d in self.diagnostics if d.severity is not Severity.ERROR]

    @property
    def ok(self) -> bool:
        """Whether the spec is valid."""
        return not self.errors

    def _of(self, severity: Severity) -> list[Diagnostic]:
        return [d for d in self.diagnostics if d.severity is severity]

    @property
    def explanation(self) -> "Explanation | None":
        """A valid spec explained."""
        from eulerstack.results.explanation import Explanation

        return Explanation(self.source, self.model) if self.model else None

    @property
    def summary(self) -> str:
        """One line: valid or not, and how many of each."""
        verdict = i18n.text("cli", "report.valid" if self.ok else "report.wrong", name=self.source.name)
        counts = [("errors", self.errors), ("warnings", self.warnings), ("notes", self.notes)]
        told = [i18n.text("cli", f"report.{key}", count=len(found)) for key, found in counts if found]
        listed = i18n.text("cli", "report.comma").join(told)
        return i18n.text("cli", "report.counted", verdict=verdict, counts=listed) if told else verdict

    def lines(self, *, full: bool = True, size: int | None = None, color: bool = False) -> list[str]:
        """The text form, line by line: findings, verdict. `full`: with what is only good to know; `size`: with the
        size and cost of a valid spec's model in lines of so many cells; `color`: with ANSI colours.
        """
        told = [d for d in self.diagnostics if full or d.severity is not Severity.INFO]
        lines = render.terminal_lines(told, color=color)
        explanation = self.explanation if size else None
        if explanation and size:
            facts = facts_lines(explanation.model.name, explanation.facts(), size, color=color)
            lines += [*([""] if lines else []), *facts]
        return [*lines, "", self.summary] if lines else [self.summary]

    def terminal(self, width: int, *, color: bool) -> str:
        """The lines, never wrapped: each diagnostic is exactly three."""
        return "\n".join(self.lines(color=color))

    def rich(self) -> "Text":
        """The lines in colour."""
        from rich.text import Text

        return Text.from_ansi("\n".join(self.lines(color=True)), no_wrap=True, overflow="ignore")

    def html(self) -> str:
        """The diagnostics with their source lines, and the verdict."""
        mark, color = ("✓", "#1a7f37") if self.ok else ("✗", "#cf222e")
        summary = f'<p style="color:{color};font-weight:600">{mark} {escape(self.summary)}</p>'
        return render.html(self.diagnostics) + summary

    def to_dict(self) -> dict[str, Any]:
        """For machines: `ok`, `spec`, `errors` and `findings`, each with code, place, texts."""
        return {
            "ok": self.ok,
            "spec": self.source.name,
            "errors": [render.to_dict(d) for d in self.errors],
            "findings": [render.to_dict(d) for d in self.findings],
        }
