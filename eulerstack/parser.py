"""argparse as the command line and the magics need it: mistakes are diagnostics, its own words are translated."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from eulerstack import i18n
from eulerstack.diagnostics import EulerStackError, error
from eulerstack.diagnostics.cells import cells, wrap
from eulerstack.diagnostics.suggest import nearest


def usage(code: str, *, see: str | None = None, fix: str = "fix", **params: object) -> EulerStackError:
    """The error of a wrong call. `see` None: the help of the command that is being read."""
    return error(code, params=params, fix=fix, see=see)


class Parser(argparse.ArgumentParser):
    """An argparse parser whose mistakes are diagnostics and whose help wraps by terminal cells."""

    def __init__(self, **settings: Any):
        super().__init__(**settings, allow_abbrev=False, formatter_class=_Formatter)

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would have printed before exiting."""
        raise usage("bad-call", see=f"{self.prog} --help", message=message, usage=self.format_usage())

    def refuse(self, word: str) -> NoReturn:
        """Raise for a word that nothing here takes."""
        see = f"{self.prog} --help"
        if not word.startswith("-"):
            raise usage("surplus-argument", see=see, value=word, usage=self.format_usage())
        option = word.split("=", 1)[0]
        known = [name for action in self._actions for name in action.option_strings if name.startswith("--")]
        close = nearest(option, known)
        params = {"value": option, "command": self.prog, "known": " ".join(sorted(known)), "nearest": close}
        raise usage("unknown-option", see=see, fix="fix_nearest" if close else "fix", **params)

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        try:
            return super()._get_value(action, arg_string)
        except EulerStackError as failure:
            raise failure.told_by(self.prog) from None

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        choices = list(action.choices)
        close = nearest(str(value), choices)
        command = isinstance(action, argparse._SubParsersAction)
        params = {
            "value": value,
            "option": "/".join(action.option_strings) or action.metavar,
            "known": ", ".join(choices),
            "nearest": close,
        }
        code = "unknown-command" if command else "unknown-choice"
        raise usage(code, see=f"{self.prog} --help", fix="fix_nearest" if close else "fix", **params)


class _Formatter(argparse.HelpFormatter):
    """Wraps by terminal cells: a Hangul syllable or a Han character fills two."""

    class _Section(argparse.HelpFormatter._Section):
        def format_help(self) -> str:
            """argparse sets its own colon behind a heading; here it is the language's."""
            colon = i18n.text("cli", "argparse.colon")
            return super().format_help().replace(f"{self.heading}:\n", f"{self.heading}{colon}\n", 1)

    def __init__(self, prog: str):
        super().__init__(prog, max_help_position=30)

    def _format_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None) -> str:
        """argparse counts characters where cells count: ASCII letters that fill as many stand in for the prefix."""
        prefix = _argparse_word("usage: ") if prefix is None else prefix
        stand_in = "u" * cells(prefix)
        return super()._format_usage(usage, actions, groups, stand_in).replace(stand_in, prefix, 1)

    def _split_lines(self, text: str, width: int) -> list[str]:
        return list(wrap(text, width))

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(indent + line for line in wrap(text, width - len(indent)))


ARGPARSE_WORDS = {
    "usage: ": "usage",
    "positional arguments": "positionals",
    "options": "options",
    "show this help message and exit": "help",
    "argument %(argument_name)s: %(message)s": "argument",
    "the following arguments are required: %s": "required",
    "expected one argument": "expected-one",
    "ignored explicit argument %r": "ignored",
    "unrecognized arguments: %s": "unrecognized",
}
"""argparse's own sentences that this parser can speak, and their ids under `argparse` in the catalogue."""


@contextmanager
def translated_argparse() -> Iterator[None]:
    """argparse speaking the current language.

    It looks its words up in a module global; that is put back, for a notebook has other users of argparse.
    """
    before = argparse._  # type: ignore[attr-defined]
    argparse._ = _argparse_word  # type: ignore[attr-defined]
    try:
        yield
    finally:
        argparse._ = before  # type: ignore[attr-defined]


def _argparse_word(message: str) -> str:
    key = ARGPARSE_WORDS.get(message)
    return i18n.text("cli", f"argparse.{key}") if key else message
