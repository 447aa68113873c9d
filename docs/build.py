"""Writes the reference from the program itself, `docs/<lang>/cli.md` and `language.md`, and the page of measurements.

Nothing in the reference is written by hand: the help texts are the parser's, the language's keys are the schema's.
`measured.md` is `docs/pages/measured.<lang>.md` with what `benchmarks/run.py --record` kept in place of `{{ NAME }}`.
"""

import argparse
import io
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout, suppress
from pathlib import Path

from eulerstack import api, arguments, i18n
from eulerstack.schema.describe import Description, describe

HERE = Path(__file__).resolve().parent
LANGUAGES = ("ko", "en")
WIDTH = "100"
FACTS = {
    "ko": "{date} · {processor}, 코어 {cores}개 · {threads} · Python {python}, torch {torch}, "
    "transformers {transformers} · 목표 {verdict} · `python benchmarks/run.py {name}`",
    "en": "{date} · {processor}, {cores} cores · {threads} · Python {python}, torch {torch}, "
    "transformers {transformers} · goal {verdict} · `python benchmarks/run.py {name}`",
}
VERDICTS = {"ko": ("못 미침", "달성"), "en": ("missed", "met")}
THREADS = {"ko": "스레드 {threads}개", "en": "threads: {threads}"}


def cli() -> str:
    """Every command's help, in the current language."""
    os.environ["COLUMNS"] = WIDTH  # argparse wraps to it
    parts = ["# eulerstack", ""]
    for words in _calls(arguments.build()):
        heading = " ".join(("eulerstack", *words))
        parts += [f"## {heading}", "", "```", _help(words), "```", ""]
    return "\n".join(parts)


def _calls(parser: argparse.ArgumentParser, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words that lead to each command, the program itself first."""
    yield words
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, sub in action.choices.items():
                yield from _calls(sub, (*words, name))


def _help(words: tuple[str, ...]) -> str:
    printed = io.StringIO()
    with redirect_stdout(printed), suppress(SystemExit):  # after --help the parser ends the program
        arguments.parse([*words, "--help"])
    return "\n".join(line.rstrip() for line in printed.getvalue().rstrip().splitlines())


def language() -> str:
    """Every section of the language as a table of its keys, in the current language."""
    parts = ["# EulerStack YAML", ""]
    for place in _places():
        parts += [f"## {place.path}", ""] if place.path else []
        table = api.schema(place.path)
        head = table.head()
        rows = (table.cells(row) for row in place.rows)
        parts += [place.meaning, "", _line(head), _line(["---"] * len(head)), *map(_line, rows), ""]
    return "\n".join(parts)


def _places() -> Iterator[Description]:
    """The root and every key that has keys of its own, parents first, each once."""
    waiting, seen = [describe()], {""}
    while waiting:
        place = waiting.pop(0)
        yield place
        below = [row for row in place.rows if row.nested and row.path not in seen]
        seen |= {row.path for row in below}
        waiting = [*(describe(row.path) for row in below), *waiting]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def measured(lang: str) -> str:
    """The page of measurements. Raises OSError for a benchmark that it names and that was not recorded."""
    page = (HERE / "pages" / f"measured.{lang}.md").read_text("utf-8")
    return re.sub(r"\{\{ (\w+) \}\}", lambda found: _recorded(found.group(1), lang), page)


def _recorded(name: str, lang: str) -> str:
    """Where, when and how a benchmark was run, and what it printed."""
    record = json.loads((HERE / "measured" / f"{name}.json").read_text("utf-8"))
    threads, verdict = THREADS[lang].format(**record), VERDICTS[lang][record["met"]]
    facts = FACTS[lang].format(**record | {"threads": threads, "verdict": verdict, "name": name})
    return "\n".join([facts, "", "```", *record["output"], "```"])


def render() -> dict[Path, str]:
    """Every file of the reference and its text."""
    files = {}
    for lang in LANGUAGES:
        with i18n.speaking(lang):
            files[HERE / lang / "cli.md"] = cli()
            files[HERE / lang / "language.md"] = language()
        files[HERE / lang / "measured.md"] = measured(lang)
    return files


def main() -> None:
    """Write the reference."""
    for path, text in render().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
        print(path.relative_to(HERE.parent))


if __name__ == "__main__":
    main()
