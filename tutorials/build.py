"""Builds the tutorials' notebooks: one source per tutorial, one notebook per language.

A source is Markdown. A fenced block ```` ```python ```` is a code cell and stands once; words after `python` are the
cell's tags (`raises-exception`). Prose stands once per language, between a line `:::ko` or `:::en` and a line `:::`,
both languages one after the other. Nothing else may stand in a source. `[[mixers/02_mamba]]` becomes a link to that
tutorial under its own title.

    python tutorials/build.py             write the notebooks, outputs kept where the code has not changed
    python tutorials/build.py --execute   execute them and write what they show
    python tutorials/build.py NAME ...    only these: quickstart, mixers/02_mamba
"""

import argparse
import json
import os
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode, from_dict
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

HERE = Path(__file__).resolve().parent
LANGUAGES = ("ko", "en")
TIMEOUT = 900
"""Seconds that a cell may take: it stops what hangs, and decides nothing where a machine is busy."""
BLOCK = re.compile(
    r"\s*(?:```python(?P<tags>[^\n]*)\n(?P<code>.*?)\n```"
    r"|:::ko\n(?P<ko>.*?)\n:::\n+:::en\n(?P<en>.*?)\n:::)[ ]*(?:\n|\Z)",
    re.DOTALL,
)
TITLE = re.compile(r"^# (.+)$", re.MULTILINE)
REFERENCE = re.compile(r"\[\[([\w/]+)\]\]")
WIDGET = "application/vnd.jupyter.widget-view+json"
KERNEL_ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1"}
"""One thread: the same sums on every machine, and no two threads waiting for one busy core."""
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


@dataclass(frozen=True, slots=True)
class Code:
    """A code cell, the same in every language."""

    text: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Prose:
    """A Markdown cell in every language."""

    texts: dict[str, str]


def parse(source: str) -> list[Code | Prose]:
    """The cells of a source. Raises ValueError at the first line that belongs to no cell."""
    cells: list[Code | Prose] = []
    at = 0
    while source[at:].strip():
        block = BLOCK.match(source, at)
        if block is None:
            line = source[:at].count("\n") + 1
            raise ValueError(f"line {line}: neither a ```python block nor prose in both languages")
        if block["code"] is not None:
            cells.append(Code(block["code"], tuple(block["tags"].split())))
        else:
            cells.append(Prose({lang: block[lang] for lang in LANGUAGES}))
        at = block.end()
    return cells


def notebook(cells: list[Code | Prose], lang: str) -> NotebookNode:
    """The notebook in one language, without outputs; ids are the cells' numbers, so that diffs stay small."""
    made = []
    for number, cell in enumerate(cells):
        if isinstance(cell, Code):
            node = new_code_cell(cell.text, metadata={"tags": list(cell.tags)} if cell.tags else {})
        else:
            node = new_markdown_cell(REFERENCE.sub(lambda found: _link(found[1], lang), cell.texts[lang]))
        node["id"] = f"cell-{number:02d}"
        made.append(node)
    return new_notebook(cells=made, metadata={"kernelspec": KERNEL, "language_info": {"name": "python"}})


def _link(tutorial: str, lang: str) -> str:
    """A link to a tutorial of the same language, for a notebook in that language's own folder."""
    return f"[{title(HERE / 'sources' / f'{tutorial}.md', lang)}]({tutorial}.ipynb)"


def title(source: Path, lang: str) -> str:
    """What a tutorial calls itself: the first heading of its prose."""
    first = next(cell for cell in parse(source.read_text("utf-8")) if isinstance(cell, Prose))
    found = TITLE.search(first.texts[lang])
    if found is None:
        raise ValueError(f"{source.name} has no title in {lang}")
    return found[1]


def execute(book: NotebookNode, lang: str) -> NotebookNode:
    """Run every cell from top to bottom in a fresh kernel and an empty directory. A cell that fails raises."""
    os.environ |= {"EULERSTACK_LANG": lang, **KERNEL_ENVIRONMENT}  # a kernel takes its environment from ours
    with tempfile.TemporaryDirectory() as scratch:
        NotebookClient(book, timeout=TIMEOUT, resources={"metadata": {"path": scratch}}).execute()
    return strip(_placeless(book, scratch))


def _placeless(book: NotebookNode, scratch: str) -> NotebookNode:
    """What the cells show, without the name of the directory that they ran in: it is another one each time."""
    for cell in book.cells:
        if cell.cell_type == "code":
            plain = json.dumps(cell.outputs).replace(f"{os.path.realpath(scratch)}/", "").replace(f"{scratch}/", "")
            cell.outputs = [from_dict(output) for output in json.loads(plain)]
    return book


def strip(book: NotebookNode) -> NotebookNode:
    """Leave out what says nothing to a reader: timings, widget state (a dead widget hides its own fallback)."""
    book.metadata.pop("widgets", None)
    book.metadata["language_info"] = {"name": "python"}
    for cell in book.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = _joined(_static(output) for output in cell.outputs if _tells(output))
    return book


def _static(output: NotebookNode) -> NotebookNode:
    """A widget's output without the widget: the page that it shows where no kernel runs."""
    output.get("data", {}).pop(WIDGET, None)
    return output


def _joined(outputs: Iterable[NotebookNode]) -> list[NotebookNode]:
    """Text printed in pieces, as one: how it was cut depends on the machine's pace."""
    kept: list[NotebookNode] = []
    for output in outputs:
        if output.get("name") == "stdout" and kept and kept[-1].get("name") == "stdout":
            kept[-1].text += output.text
        else:
            kept.append(output)
    return kept


def _tells(output: NotebookNode) -> bool:
    data = output.get("data", {})
    return output.get("name") != "stderr" and (WIDGET not in data or "text/html" in data)


def keep_outputs(book: NotebookNode, before: NotebookNode) -> NotebookNode:
    """Outputs of `before` whose cell has the same code, at the same place."""
    for cell, old in zip(book.cells, before.cells, strict=False):
        if cell.cell_type == old.cell_type == "code" and cell.source == old.source:
            cell.outputs, cell.execution_count = old.outputs, old.execution_count
    return book


def sources() -> list[Path]:
    """Every tutorial's source."""
    return sorted((HERE / "sources").rglob("*.md"))


def name(source: Path) -> str:
    """What a tutorial is called: its source's place without the ending, `mixers/02_mamba`."""
    return source.relative_to(HERE / "sources").with_suffix("").as_posix()


def target(source: Path, lang: str) -> Path:
    """Where a source's notebook in one language stands."""
    return (HERE / lang / source.relative_to(HERE / "sources")).with_suffix(".ipynb")


def build(source: Path, lang: str, *, run: bool) -> NotebookNode:
    """The notebook of a source in one language: executed, or with the outputs that stand there now."""
    book = notebook(parse(source.read_text("utf-8")), lang)
    path = target(source, lang)
    if run:
        return execute(book, lang)
    return keep_outputs(book, nbformat.read(path, as_version=4)) if path.exists() else book


def main() -> None:
    """Build every notebook."""
    options = argparse.ArgumentParser(description="Build the tutorials' notebooks.")
    options.add_argument("--execute", action="store_true", help="run them and write what they show")
    options.add_argument("names", nargs="*", choices=[*map(name, sources()), []], metavar="NAME", help="default: all")
    chosen = options.parse_args()
    for source in sources():
        if chosen.names and name(source) not in chosen.names:
            continue
        for lang in LANGUAGES:
            path = target(source, lang)
            path.parent.mkdir(parents=True, exist_ok=True)
            nbformat.write(build(source, lang, run=chosen.execute), path)
            print(path.relative_to(HERE.parent))


if __name__ == "__main__":
    main()
