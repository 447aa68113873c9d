"""Completion on a magic's line and in the YAML below it: commands, options, presets, keys, values."""

import argparse
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher

from eulerstack import api, preset_index
from eulerstack.arguments import Place, build
from eulerstack.diagnostics import EulerStackError
from eulerstack.parser import translated_argparse
from eulerstack.schema.complete import completions
from eulerstack.schema.describe import every_path

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_CALL = re.compile(r"^\s*(?:[\w, ]+=\s*)?(?P<sign>%{1,2})eulerstack\s(?P<words>.*)$")
_WORD = re.compile(r"[\w./-]*$")
_EXTENDS = re.compile(r"^extends:\s*[\"']?[\w./-]*$")
SPECS = ("SPEC", "OTHER", "NAME", "NAME|PATH")
"""What the parser calls an argument that a preset or a bound spec may stand for."""


@context_matcher(identifier="eulerstack")
def matcher(context: CompletionContext) -> SimpleMatcherResult:
    """What IPython asks: nothing is suppressed where nothing is known here."""
    line = context.full_text.split("\n")[context.cursor_line]
    before, after = line[: context.cursor_position], line[context.cursor_position :]
    begun = before[_begin(before) :]
    try:
        words, are_keys = _words_at(context, before)
    except EulerStackError:  # a wrong word before the cursor is told when the cell is run
        words, are_keys = [], False
    end = ": " if are_keys and not after.lstrip().startswith(":") else ""
    found = dict.fromkeys(word for word in words if word.startswith(begun))
    options = [SimpleCompletion(text=f"{word}{end}", type="param") for word in found]
    return SimpleMatcherResult(completions=options, matched_fragment=begun, suppress=bool(options), ordered=True)


def _begin(before: str) -> int:
    """Where the word begins that the cursor is at the end of."""
    found = _WORD.search(before)
    return found.start() if found else len(before)


def _words_at(context: CompletionContext, before: str) -> tuple[list[str], bool]:
    """The words that may stand at the cursor, and whether they are keys."""
    if context.cursor_line > 0 and context.full_text.lstrip().startswith("%%eulerstack"):
        if _EXTENDS.match(before):
            return [*api.bindings, *preset_index.names()], False
        above = context.full_text.split("\n")[1 : context.cursor_line]
        return completions("\n".join([*above, before[: _begin(before)]]))
    call = _CALL.match(before)
    if call is None:
        return [], False
    words, place = call["words"], Place.CELL if call["sign"] == "%%" else Place.LINE
    begun = words[_begin(words) :]
    return list(call_words(words, begun, place)), False


def call_words(written: str, begun: str, place: Place) -> Iterator[str]:
    """What may stand at the end of a call's words, of which the last is `begun`."""
    words = written[: len(written) - len(begun)].split()
    called = next((word for word in words if not word.startswith("-")), "")
    with translated_argparse():
        parser: argparse.ArgumentParser = build(place, called or "show")
    positionals = 0
    last: argparse.Action | None = None
    for word in words:
        inner = _commands(parser)
        option = parser._option_string_actions.get(word)
        if last is not None:
            last = None
        elif option:
            last = option if option.nargs is None else None
        elif inner and word in inner:
            parser, positionals = inner[word], 0
        else:
            positionals += 1
    if last is not None:
        yield from _values(last)
        return
    if not begun.startswith("-"):
        yield from _commands(parser)
    arguments = [action for action in parser._get_positional_actions() if not _is_commands(action)]
    if positionals < len(arguments) and not begun.startswith("-"):
        yield from _values(arguments[positionals])
    if begun.startswith("-") or not begun:
        # a cell's magic without a command takes what `show` takes
        bare = _commands(parser).get("show") if place is Place.CELL else None
        known = (*parser._option_string_actions, *(bare._option_string_actions if bare else ()))
        yield from (name for name in known if name.startswith("--") and name not in words)


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    actions = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return next((action.choices for action in actions), {})


def _is_commands(action: argparse.Action) -> bool:
    return isinstance(action, argparse._SubParsersAction)


def _values(action: argparse.Action) -> Iterator[str]:
    if action.choices:
        yield from map(str, action.choices)
    elif action.metavar in SPECS:
        yield from (*api.bindings, *preset_index.names())
    elif action.metavar == "PATH":
        yield from every_path()


def add(shell: "InteractiveShell") -> None:
    """Complete in this shell."""
    if shell.Completer is not None and matcher not in shell.Completer.custom_matchers:
        shell.Completer.custom_matchers.append(matcher)


def remove(shell: "InteractiveShell") -> None:
    """Complete no more."""
    if shell.Completer is not None and matcher in shell.Completer.custom_matchers:
        shell.Completer.custom_matchers.remove(matcher)
