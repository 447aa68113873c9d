"""Cases as Markdown: a YAML block in, the rendered errors out.

A file in `cases/` holds any number of cases. Each is a fenced block `yaml` followed by a fenced block `text` with
the English output, and if wanted one `text ko` with the Korean. The word after `yaml` says how far the text goes:
`yaml dsl` through the first layer only, `yaml` through all that `validate` runs. `yaml file=NAME` is no case of its own
but a file beside the next one, for `extends`. Escapes for what Markdown cannot show: `␀` is NUL, `⇥` a tab, `␛` an
escape.

`python -m tests.diagnostics.literate` writes the present output into the files; read the diff before you commit it.
"""

import re
import tempfile
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass, field
from pathlib import Path

from eulerstack import api, i18n
from eulerstack.diagnostics import Diagnostic, Source
from eulerstack.diagnostics.render import terminal_lines
from eulerstack.dsl import examine

FOLDER = Path(__file__).parent / "cases"
NAME = "model.yml"
_BLOCK = re.compile(r"^```(yaml|text)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ESCAPES = str.maketrans({"␀": "\0", "⇥": "\t", "␛": "\x1b"})


@dataclass(slots=True)
class Case:
    """One YAML text, the files beside it, and where its outputs stand in the Markdown."""

    file: str
    line: int
    text: str
    only_dsl: bool
    files: dict[str, str]
    outputs: dict[str, tuple[int, int]] = field(default_factory=dict)

    def run(self, lang: str) -> str:
        """What a terminal shows for it in this language, without colours."""
        with tempfile.TemporaryDirectory() as folder, chdir(folder), i18n.speaking(lang):
            for name, text in self.files.items():
                Path(name).write_text(text, "utf-8")
            return "\n".join(terminal_lines(self._diagnostics())) + "\n"

    def _diagnostics(self) -> list[Diagnostic]:
        source = Source(NAME, self.text)
        return examine(source)[1] if self.only_dsl else list(api.validate(source).diagnostics)


def cases(path: Path) -> Iterator[Case]:
    """The cases of one Markdown file in its order."""
    content = path.read_text("utf-8")
    files: dict[str, str] = {}
    case: Case | None = None
    for block in _BLOCK.finditer(content):
        kind, info = block.group(1), block.group(2).split()
        if kind == "text":
            assert case is not None, f"{path.name}: an output without a case"
            case.outputs[info[0] if info else "en"] = block.span(3)
            continue
        text = block.group(3).translate(_ESCAPES)
        name = next((word.removeprefix("file=") for word in info if word.startswith("file=")), None)
        if name:
            files[name] = text
            continue
        if case:
            yield case
        line = content.count("\n", 0, block.start()) + 1
        case, files = Case(path.name, line, text, "dsl" in info, files), {}
    if case:
        yield case


def rewrite(path: Path) -> None:
    """Writes the present output of every case into its file."""
    content = path.read_text("utf-8")
    outputs = [(span, case.run(lang)) for case in cases(path) for lang, span in case.outputs.items()]
    for (start, end), output in sorted(outputs, reverse=True):
        content = content[:start] + output + content[end:]
    path.write_text(content, "utf-8")


if __name__ == "__main__":
    for markdown in sorted(FOLDER.glob("*.md")):
        rewrite(markdown)
