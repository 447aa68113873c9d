"""What `compile` and `import` made."""

import json
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eulerstack import i18n
from eulerstack.compiler import CompileResult, runtime_config
from eulerstack.diagnostics import Diagnostic, Source, render
from eulerstack.ir.nodes import Model
from eulerstack.records import dataclass
from eulerstack.results.shown import AboutSpec, html_table, short, size

if TYPE_CHECKING:
    from rich.console import Group


@dataclass(frozen=True, repr=False)
class Compilation(AboutSpec):
    """A compiled model. `output` and `directory` are what was written; both None where nothing was.

    `findings`: warnings and notes about the spec and about what was written.
    """

    source: Source
    model: Model
    findings: tuple[Diagnostic, ...] = ()
    output: Path | None = None
    directory: CompileResult | None = None

    @cached_property
    def config(self) -> dict[str, Any]:
        """The JSON runtime configuration."""
        return runtime_config(self.model)

    @property
    def path(self) -> Path | None:
        """The model directory, which `from_pretrained` loads."""
        return self.directory.path if self.directory else None

    def facts(self) -> list[tuple[str, str]]:
        """What was written: a label and what it says."""
        facts = [(_label("output"), str(self.output))] if self.output else []
        if self.directory:
            facts += [
                (_label("directory"), str(self.directory.path)),
                (_label("files"), self._files(self.directory.files)),
                (_label("params"), f"{short(self.directory.parameters)} ({self.directory.parameters:,})"),
                (_label("size"), size(self.directory.bytes)),
                (_label("seconds"), f"{self.directory.seconds:.1f} s"),
            ]
        return facts

    def _files(self, names: tuple[str, ...]) -> str:
        """The files by name; of the code, which is the same for every model, the number."""
        named = [name for name in names if not name.endswith(".py")]
        return i18n.text("explain", "compiled.with-code", names=", ".join(named), count=len(names) - len(named))

    def _json(self) -> str:
        return json.dumps(self.config, indent=2, ensure_ascii=False)

    def rich(self) -> "Group":
        """What was written; where nothing was, the configuration."""
        from rich.console import Group
        from rich.syntax import Syntax
        from rich.table import Table
        from rich.text import Text

        if not self.facts():
            return Group(Syntax(self._json(), "json", background_color="default", word_wrap=True))
        table = Table.grid(padding=(0, 2))
        for label, line in self.facts():
            table.add_row(Text(label, style="dim"), line)
        return Group(Text(self.model.name, style="bold"), table)

    def html(self) -> str:
        """What there is to know, what was written, and the configuration folded away."""
        name = f"<b>{escape(self.model.name)}</b>"
        config = f"<details><summary>{escape(_label('config'))}</summary><pre>{escape(self._json())}</pre></details>"
        findings = render.html(self.findings) if self.findings else ""
        return f"<div>{findings}{name}{html_table([], self.facts())}{config}</div>"

    def to_dict(self) -> dict[str, Any]:
        """For machines: the configuration."""
        return self.config


def _label(key: str) -> str:
    return i18n.text("explain", f"compiled.{key}")
