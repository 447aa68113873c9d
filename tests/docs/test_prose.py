"""What READMEs, CONTRIBUTING and tutorials say in their prose: commands that parse, options and presets that exist."""

import argparse
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from eulerstack import preset_index
from eulerstack.arguments import COMMANDS, Place, build, parse, split_language
from eulerstack.magics import magic

ROOT = Path(__file__).resolve().parent.parent.parent
READMES = ("README.md", "README.ko.md", "CONTRIBUTING.md")
PAGES = (*READMES, *sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "tutorials" / "sources").rglob("*.md")))
EACH = pytest.mark.parametrize("page", PAGES)

CODE = re.compile(r"```.*?```", re.DOTALL)
TICKS = re.compile(r"`([^`\n]+)`")
CALL = re.compile(r"(%{0,2})eulerstack (?![.=])(.+)")
OPTION = re.compile(r"(?<!\S)--[a-z][a-z-]*")
PRESET = re.compile(r"\b(?:arch|llm)_\w*[a-z0-9]\b(?![_*{])")
MAKE = re.compile(r"make ([a-z-]+)")
ELSEWHERE = ("accelerate", "torchrun", "pip", "python")
"""Programs whose options are their own."""


def prose(page: str) -> str:
    """A page without its blocks of code."""
    return CODE.sub("", (ROOT / page).read_text("utf-8"))


def ticked(page: str) -> list[str]:
    """What stands in backticks in a page's prose."""
    return TICKS.findall(prose(page))


@cache
def options() -> frozenset[str]:
    """Every option of every command, on the command line and in a notebook."""
    return frozenset(name for place in Place for name in _options(build(place))) | {"--lang"}


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from _options(inner)


@EACH
def test_commands_parse(page: str) -> None:
    """Every command in backticks; `a|b` stands for either, and a command without arguments for its name."""
    for text in ticked(page):
        found = CALL.fullmatch(text)
        if found is None:
            continue
        place = {"": Place.SHELL, "%": Place.LINE, "%%": Place.CELL}[found[1]]
        first, *rest = magic._words(found[2])
        for command in first.split("|"):
            _, words = split_language([command, *rest])
            if rest:
                parse(words, place)
            elif words:
                assert command in COMMANDS[place] or command.startswith("--")


@EACH
def test_options_exist(page: str) -> None:
    ours = [text for text in ticked(page) if text.split()[:1] and text.split()[0] not in ELSEWHERE]
    assert {option for text in ours for option in OPTION.findall(text)} <= options()


@EACH
def test_presets_exist(page: str) -> None:
    named = set(PRESET.findall(prose(page)))
    assert named <= set(preset_index.names())


@pytest.mark.parametrize("page", READMES)
def test_make_has_the_targets(page: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {found[1] for text in ticked(page) for word in text.split(",") if (found := MAKE.match(word.strip()))}
    assert named
    assert named <= targets


def test_the_readmes_and_the_index_lead_to_every_tutorial() -> None:
    """All of them, once each, in the order of their numbers, mixers last."""
    sources = ROOT / "tutorials" / "sources"
    order = sorted(p.relative_to(sources).with_suffix("").as_posix() for p in sources.rglob("[0-9]*.md"))
    index = re.split(r"^:::$", (sources / "index.md").read_text("utf-8"), flags=re.MULTILINE)
    for lang, told in zip(("ko", "en"), index, strict=False):
        assert re.findall(r"^- \[\[(.+?)\]\]", told, re.MULTILINE) == order, lang
    for name, lang in (("README.ko.md", "ko"), ("README.md", "en")):
        (told,) = [line for line in (ROOT / name).read_text("utf-8").splitlines() if f"/{lang}/index.ipynb)" in line]
        assert re.findall(rf"\(tutorials/{lang}/(.+?)\.ipynb\)", told) == ["index", *order], name


@pytest.mark.parametrize(("lang", "opened"), [("ko", "ko"), ("en", "en"), ("zh", "ko")])
def test_make_lab_opens_the_first_tutorial(lang: str, opened: str) -> None:
    words = ["make", "--dry-run", "lab", f"EULERSTACK_LANG={lang}"]
    told = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (notebook,) = re.findall(r"jupyter lab .*?(\S+\.ipynb)", told)
    assert notebook == f"tutorials/{opened}/00_positioning.ipynb"
    assert (ROOT / notebook).is_file()
