"""Completion on a magic's line and in the YAML below it: commands, options, presets, keys, values."""

import argparse
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher

from eulerstack import api, preset_index
from eulerstack.arguments import Place
from eulerstack.diagnostics import EulerStackError
from eulerstack.magics.calls import CALL, SPECS, commands, follow, options, place_of
from eulerstack.schema.complete import completions
from eulerstack.schema.describe import every_path

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_WORD = re.compile(r"[\w./-]*$")
_EXTENDS = re.compile(r"^extends:\s*[\"']?[\w./-]*$")


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
    offered = [SimpleCompletion(text=f"{word}{end}", type="param") for word in found]
    return SimpleMatcherResult(completions=offered, matched_fragment=begun, suppress=bool(offered), ordered=True)


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
    call = CALL.match(before)
    if call is None or not call["words"]:
        return [], False
    words = call["words"]
    return list(call_words(words, words[_begin(words) :], place_of(call["sign"]))), False


def call_words(written: str, begun: str, place: Place) -> Iterator[str]:
    """What may stand at the end of a call's words, of which the last is `begun`."""
    words = written[: len(written) - len(begun)].split()
    reached = follow(words, place)
    if reached.option is not None:
        yield from _values(reached.option)
        return
    if not begun.startswith("-"):
        yield from commands(reached.parser)
        if reached.awaited is not None:
            yield from _values(reached.awaited)
    if begun.startswith("-") or not begun:
        known = options(reached.parser, place)
        yield from (name for name in known if name.startswith("--") and name not in words)


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
