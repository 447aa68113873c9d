"""A call as far as it is written: which command's parser reads its next word, and as what."""

import argparse
import re
from collections.abc import Iterable, Mapping

from eulerstack.arguments import Place, build
from eulerstack.parser import Parser, translated_argparse
from eulerstack.records import dataclass

CALL = re.compile(r"^\s*(?:[\w, ]+=\s*)?(?P<sign>%{1,2})eulerstack(?P<words>(?:\s.*)?)$")
"""A line that calls the magic."""

SPECS = ("SPEC", "OTHER", "NAME", "NAME|PATH")
"""What the parser calls an argument that a preset or a bound spec may stand for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """Where the words before the cursor lead. `parser`: of the command; `option`: what waits for its value;
    `positionals`: how many arguments without an option are written.
    """

    parser: Parser
    option: argparse.Action | None
    positionals: int

    @property
    def awaited(self) -> argparse.Action | None:
        """The argument that the next word is, unless it is a command or an option."""
        if self.option is not None:
            return self.option
        arguments = [action for action in self.parser._get_positional_actions() if not _is_commands(action)]
        return arguments[self.positionals] if self.positionals < len(arguments) else None


def place_of(sign: str) -> Place:
    """Where a call stands that begins with `%` or `%%`."""
    return Place.CELL if sign == "%%" else Place.LINE


def follow(words: Iterable[str], place: Place, *, called: str = "") -> Reached:
    """Read the words of a call. `called`: the command, where it stands behind them."""
    words = list(words)
    named = next((word for word in words if not word.startswith("-")), called)
    with translated_argparse():
        parser = build(place, named or "show")
    positionals = 0
    waiting: argparse.Action | None = None
    for word in words:
        inner = commands(parser)
        option = parser._option_string_actions.get(word)
        if waiting is not None:
            waiting = None
        elif option:
            waiting = option if option.nargs is None else None
        elif word in inner:
            parser, positionals = inner[word], 0
        else:
            positionals += 1
    return Reached(parser=parser, option=waiting, positionals=positionals)


def options(parser: Parser, place: Place) -> dict[str, argparse.Action]:
    """The options that a parser reads; a cell's magic without a command takes what `show` takes."""
    bare = commands(parser).get("show") if place is Place.CELL else None
    return {**parser._option_string_actions, **(bare._option_string_actions if bare else {})}


def commands(parser: Parser) -> Mapping[str, Parser]:
    """The commands below a parser; none for a command that has no others below it."""
    found = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return next((action.choices for action in found), {})


def _is_commands(action: argparse.Action) -> bool:
    return isinstance(action, argparse._SubParsersAction)
