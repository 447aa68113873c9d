"""Help at the cursor, as Shift+Tab asks for it: a key, a value, a command, an option, a preset's name.

A kernel is asked about the word at the cursor of a cell; IPython's answers for names of Python. Here its answer is
preceded by one for the cells of EulerStack; where no kernel asks, as in a terminal, nothing changes.
"""

import argparse
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from eulerstack import preset_index
from eulerstack.diagnostics import EulerStackError
from eulerstack.magics.calls import CALL, Reached, commands, follow, options, place_of
from eulerstack.parser import Parser
from eulerstack.records import dataclass
from eulerstack.results.tip import Tip, preset_tip, schema_tip
from eulerstack.schema.complete import path_at
from eulerstack.schema.describe import describe
from eulerstack.schema.paths import schema_path

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

HOOK = "do_inspect"
"""What a kernel calls, and a kernel's author may write anew."""

_WORD = re.compile(r"[\w./-]+")
_INSERTED = re.compile(r"\{\{\s*(\w+)\s*\}\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """The word that the cursor is in or at the end of, with its line before and after it and the lines above."""

    text: str
    before: str
    after: str
    above: tuple[str, ...]


def tip_at(cell: str, cursor: int) -> Tip | None:
    """What there is to say about the word at a position of a cell; None where it is none of EulerStack's."""
    word = _word_at(cell, cursor)
    if word is None:
        return None
    if word.above and cell.lstrip().startswith("%%eulerstack"):
        return _body_tip(word)
    call = CALL.match(f"{word.before}{word.text}{word.after}")
    return _call_tip(word, call["sign"]) if call else None


def _word_at(cell: str, cursor: int) -> Word | None:
    above = cell[:cursor].split("\n")[:-1]
    begin = cell.rfind("\n", 0, cursor) + 1
    line = cell[begin:].split("\n", 1)[0]
    for found in _WORD.finditer(line):
        if found.start() <= cursor - begin <= found.end():
            before, after = line[: found.start()], line[found.end() :]
            return Word(text=found.group(), before=before, after=after, above=tuple(above))
    return None


def _body_tip(word: Word) -> Tip | None:
    is_key = re.match(r"[\"']?\s*:(?:\s|$)", word.after) is not None
    text = "\n".join([*word.above[1:], word.before])
    path = path_at(text, word.text, is_key=is_key)
    if path is None:
        return None
    preset = preset_index.find(word.text) if path == ("extends",) and not is_key else None
    if preset:
        return preset_tip(preset)
    # a kind may have a section of its own: `type: mamba` is told as mixer.mamba
    kind = [(*path[:-1], word.text.removesuffix("_layer"))] if not is_key and path[-1:] == ("type",) else []
    return next(_schema_tips(*map(schema_path, [*kind, path])), None)


def _schema_tips(*paths: str) -> Iterator[Tip]:
    for path in paths:
        try:
            yield schema_tip(describe(path))
        except EulerStackError:  # no path of the language
            continue


def _call_tip(word: Word, sign: str) -> Tip | None:
    place, written = place_of(sign), word.before.split(f"{sign}eulerstack", 1)
    if len(written) == 1:  # the magic's own name
        return _parser_tip(follow((), place).parser) if word.text == "eulerstack" else None
    reached = follow(written[1].removesuffix("=").split(), place, called=word.text)
    known = options(reached.parser, place)
    if reached.option is None and word.text in known:
        return _option_tip(known[word.text])
    if reached.option is None and word.text in commands(reached.parser):
        return _parser_tip(commands(reached.parser)[word.text])
    return _argument_tip(word.text, reached)


def _argument_tip(word: str, reached: Reached) -> Tip | None:
    preset = preset_index.find(word)
    if preset:
        return preset_tip(preset)
    if reached.awaited is None:
        return None
    if reached.awaited.metavar == "PATH":
        return next(_schema_tips(word), None)
    return _option_tip(reached.awaited)


def _parser_tip(parser: Parser) -> Tip:
    return Tip(title=parser.prog, page=parser.format_help().rstrip())


def _option_tip(action: argparse.Action) -> Tip:
    names = ", ".join(action.option_strings)
    value = str(action.metavar or "") if action.nargs != 0 else ""
    default = action.default if action.nargs != 0 and action.default not in (None, argparse.SUPPRESS) else None
    told = (str(action.help or ""), *([f"= {default}"] if default not in (None, "", ()) else []))
    return Tip(title=f"{names} {value}".strip(), told=told)


def _answering(asked: Callable[..., Any]) -> Callable[..., Any]:
    """The kernel's own answer, preceded by ours."""

    def do_inspect(code: str, cursor_pos: int, *rest: Any, **more: Any) -> Any:
        variable = _variable_at(code, cursor_pos)
        if variable is not None:
            return asked(variable, len(variable), *rest, **more)
        try:
            tip = tip_at(code, cursor_pos)
        except Exception:  # whatever is half-written here, the kernel's own help must not break with ours
            tip = None
        if tip is None:
            return asked(code, cursor_pos, *rest, **more)
        data = {"text/plain": str(tip), "text/html": tip._repr_html_()}
        return {"status": "ok", "found": True, "data": data, "metadata": {}}

    return do_inspect


def _variable_at(cell: str, cursor: int) -> str | None:
    """The notebook's variable that `{{ name }}` around the cursor names."""
    if not cell.lstrip().startswith("%%eulerstack"):
        return None
    inserted = _INSERTED.finditer(cell)
    return next((found[1] for found in inserted if found.start() <= cursor <= found.end()), None)


def add(shell: "InteractiveShell") -> None:
    """Answer in this shell's kernel, if it has one."""
    kernel = getattr(shell, "kernel", None)
    if kernel is not None and hasattr(kernel, HOOK) and HOOK not in vars(kernel):
        setattr(kernel, HOOK, _answering(getattr(kernel, HOOK)))


def remove(shell: "InteractiveShell") -> None:
    """Answer no more."""
    kernel = getattr(shell, "kernel", None)
    if kernel is not None and getattr(vars(kernel).get(HOOK), "__module__", None) == __name__:
        delattr(kernel, HOOK)
