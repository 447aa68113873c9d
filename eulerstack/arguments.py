"""The words of a call: one parser for the command line and the magics.

The language is resolved first (`--lang` at any position, then EULERSTACK_LANG, then Korean) and the parser is built in
it, argparse's own words included. Every mistake in a call is a `ValidationError` of three lines; nothing here exits the
process but `--help` and `--version`, which raise SystemExit(0) as argparse does.
"""

import argparse
import unicodedata
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from eulerstack import __version__, i18n
from eulerstack.diagnostics import EulerStackError, error
from eulerstack.diagnostics.suggest import nearest

LARGEST_SEED = 2**63 - 1
LONGEST_DEMO = 86_400
"""Seconds: a day."""


def split_language(argv: Sequence[str]) -> tuple[str | None, list[str]]:
    """`--lang X` or `--lang=X`, wherever it stands, and the other words. Raises for a language that does not exist."""
    lang: str | None = None
    rest: list[str] = []
    words = iter(argv)
    for word in words:
        if word == "--":
            return lang, [*rest, word, *words]
        if word == "--lang":
            lang = _known_language(next(words, ""))
        elif word.startswith("--lang="):
            lang = _known_language(word.removeprefix("--lang="))
        else:
            rest.append(word)
    return lang, rest


def parse(argv: Sequence[str], *, prog: str = "eulerstack", cell: bool = False) -> Namespace:
    """The call as a namespace, in the current language; `--lang` has been split off before.

    `cell`: the spec is the body of a notebook cell, so no spec is named. Raises EulerStackError for a wrong call and
    SystemExit(0) after `--help` or `--version`.
    """
    with _translated_argparse():
        parser = build(prog=prog, cell=cell)
        namespace, extra = parser.parse_known_args(list(argv))
        active: Parser = getattr(namespace, "parser", parser)
        if extra:
            _refuse(extra[0], active)
        _check_spec(namespace, active)
        _check_import(namespace)
    return namespace


def build(*, prog: str = "eulerstack", cell: bool = False) -> "Parser":
    """The whole parser in the current language."""
    parser = Parser(prog=prog, description=_text("root.about"), epilog=_text("root.epilog"))
    parser.add_argument("--lang", choices=i18n.LANGUAGES, metavar="|".join(i18n.LANGUAGES), help=_text("root.lang"))
    parser.add_argument(
        "--version", action="version", version=f"eulerstack {__version__}", help=_text("argparse.version")
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title=_text("root.commands"))
    for name, configure in (CELL_COMMANDS if cell else COMMANDS).items():
        sub = _add(commands, name, name)
        configure(sub, cell)
    return parser


# One function per command, in the order of `--help`.


def _validate(parser: "Parser", cell: bool) -> None:
    _spec(parser, cell)
    _flag(parser, "validate.report", "--report")
    _flag(parser, "validate.strict", "--strict")
    _flag(parser, "validate.validate-only", "--validate-only")
    _format(parser)


def _explain(parser: "Parser", cell: bool) -> None:
    _spec(parser, cell)
    _format(parser)


def _compile(parser: "Parser", cell: bool) -> None:
    _spec(parser, cell)
    _option(parser, "compile.output", "-o", "--output", metavar="FILE")
    _option(parser, "compile.output-dir", "--output-dir", metavar="DIR")
    _flag(parser, "compile.overwrite", "--overwrite")
    _flag(parser, "compile.validate-only", "--validate-only")
    _flag(parser, "compile.print-config", "--print-config", "--dry-run", dest="print_config")
    _option(parser, "compile.tokenizer", "--tokenizer", choices=("auto", "skip", "require"), default="auto")
    _option(parser, "compile.seed", "--seed", type=_seed, metavar="N")
    _flag(parser, "compile.twin", "--twin")


def _import(parser: "Parser", _: bool) -> None:
    parser.add_argument("directory", metavar="HF_DIR", help=_text("import.directory"))
    _option(parser, "import.output-dir", "--output-dir", metavar="DIR")
    _flag(parser, "import.yaml-only", "--yaml-only")
    _option(parser, "import.output", "-o", "--output", metavar="FILE")
    _flag(parser, "import.overwrite", "--overwrite")


def _schema(parser: "Parser", _: bool) -> None:
    parser.add_argument("path", metavar="PATH", nargs="?", default="", help=_text("schema.path"))
    _format(parser)


def _presets(parser: "Parser", _: bool) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, title=_text("root.commands"))
    _format(_add(actions, "list", "presets.list"))
    show = _add(actions, "show", "presets.show")
    show.add_argument("name", metavar="NAME", help=_text("presets.name"))
    copy = _add(actions, "copy", "presets.copy")
    copy.add_argument("name", metavar="NAME", help=_text("presets.name"))
    copy.add_argument("file", metavar="FILE", help=_text("presets.file"))


def _shrink(parser: "Parser", cell: bool) -> None:
    _spec(parser, cell)
    _option(parser, "shrink.output", "-o", "--output", metavar="FILE")
    _flag(parser, "shrink.overwrite", "--overwrite")


def _draw(parser: "Parser", cell: bool) -> None:
    _spec(parser, cell)
    _option(parser, "draw.output", "-o", "--output", metavar="FILE")


def _demo(parser: "Parser", cell: bool) -> None:
    _spec(parser, cell)
    parser.set_defaults(default_spec="arch_beginner_llama")
    _option(parser, "demo.output-dir", "--output-dir", metavar="DIR")
    _flag(parser, "demo.overwrite", "--overwrite")
    _option(parser, "demo.seconds", "--seconds", type=_seconds, default=60.0, metavar="N")
    _option(parser, "demo.seed", "--seed", type=_seed, default=0, metavar="N")


def _show(parser: "Parser", cell: bool) -> None:
    _spec(parser, cell)


COMMANDS = {
    "validate": _validate,
    "explain": _explain,
    "compile": _compile,
    "import": _import,
    "schema": _schema,
    "presets": _presets,
    "shrink": _shrink,
    "draw": _draw,
    "demo": _demo,
}


SPEC_COMMANDS = ("validate", "explain", "compile", "shrink", "draw")
CELL_COMMANDS = {"show": _show} | {name: COMMANDS[name] for name in SPEC_COMMANDS}
"""The commands that work on a spec, as they stand over a cell."""


# What the commands share.


def _spec(parser: "Parser", cell: bool) -> None:
    if cell:
        _option(parser, "root.out", "--out", metavar="NAME")
        return
    parser.add_argument("spec", metavar="SPEC", nargs="?", help=_text("root.spec"))
    _option(parser, "root.preset", "--preset", metavar="NAME|PATH")
    parser.set_defaults(needs_spec=True)
    if parser.prog.startswith("%"):
        _option(parser, "root.out", "--out", metavar="NAME")


def _format(parser: "Parser") -> None:
    _option(parser, "root.format", "--format", choices=("text", "json"), default="text")


def _option(parser: "Parser", key: str, *names: str, **settings: Any) -> None:
    if "choices" in settings:
        settings["metavar"] = "|".join(settings["choices"])
    parser.add_argument(*names, help=_text(key), **settings)


def _flag(parser: "Parser", key: str, *names: str, **settings: Any) -> None:
    parser.add_argument(*names, action="store_true", help=_text(key), **settings)


def _add(commands: Any, name: str, key: str) -> "Parser":
    about = _text(f"{key}.about")
    parser: Parser = commands.add_parser(name, help=about, description=about)
    parser.set_defaults(parser=parser)
    return parser


def _text(key: str) -> str:
    return i18n.text("cli", key)


def _seed(word: str) -> int:
    if not (word.isascii() and word.isdigit() and len(word) < 20 and int(word) <= LARGEST_SEED):
        raise usage("bad-seed", see="eulerstack compile --help", value=word, largest=LARGEST_SEED)
    return int(word)


def _seconds(word: str) -> float:
    try:
        seconds = float(word)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= LONGEST_DEMO:  # refuses NaN as well
        raise usage("bad-seconds", see="eulerstack demo --help", value=word, longest=LONGEST_DEMO)
    return seconds


# Mistakes.


def usage(code: str, *, see: str = "eulerstack --help", fix: str = "fix", **params: object) -> EulerStackError:
    """The error of a wrong call."""
    return error(code, params=params, fix=fix, see=see)


def _known_language(word: str) -> str:
    if word not in i18n.LANGUAGES:
        raise usage("unknown-language", value=word, known=", ".join(i18n.LANGUAGES))
    return word


def _refuse(word: str, parser: "Parser") -> NoReturn:
    see = f"{parser.prog} --help"
    if not word.startswith("-"):
        raise usage("surplus-argument", see=see, value=word, usage=parser.format_usage())
    option = word.split("=", 1)[0]
    known = [name for action in parser._actions for name in action.option_strings if name.startswith("--")]
    close = nearest(option, known)
    params = {"value": option, "command": parser.prog, "known": " ".join(sorted(known)), "nearest": close}
    raise usage("unknown-option", see=see, fix="fix_nearest" if close else "fix", **params)


def _check_spec(namespace: Namespace, parser: "Parser") -> None:
    if not getattr(namespace, "needs_spec", False):
        return
    see = f"{parser.prog} --help"
    if namespace.spec is not None and namespace.preset is not None:
        raise usage("two-specs", see=see, first=namespace.spec, second=namespace.preset)
    namespace.spec = namespace.preset if namespace.spec is None else namespace.spec
    if namespace.spec is None:
        namespace.spec = getattr(namespace, "default_spec", None)
    if namespace.spec is None:
        raise usage("no-spec", see=see, command=parser.prog)


def _check_import(namespace: Namespace) -> None:
    if namespace.command != "import":
        return
    yaml, directory, file = namespace.yaml_only, namespace.output_dir, namespace.output
    if not (yaml or directory) or (file and (directory or not yaml)):
        raise usage("import-where", see="eulerstack import --help")


class Parser(argparse.ArgumentParser):
    """An argparse parser whose mistakes are diagnostics and whose help wraps by terminal cells."""

    def __init__(self, **settings: Any):
        super().__init__(**settings, allow_abbrev=False, formatter_class=_Formatter)

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would have printed before exiting."""
        raise usage("bad-call", see=f"{self.prog} --help", message=message, usage=self.format_usage())

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

    def __init__(self, prog: str):
        super().__init__(prog, max_help_position=30)

    def _split_lines(self, text: str, width: int) -> list[str]:
        return list(_wrap(text, width))

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(indent + line for line in _wrap(text, width - len(indent)))


def _wrap(text: str, width: int) -> Iterator[str]:
    line = ""
    for word in text.split():
        candidate = f"{line} {word}" if line else word
        if line and _cells(candidate) > width:
            yield line
            candidate = word
        line = candidate
        while _cells(line) > width and _cells(line) > len(line):
            cut = next(n for n in range(len(line), 0, -1) if _cells(line[:n]) <= width or n == 1)
            yield line[:cut]
            line = line[cut:]
    if line:
        yield line


def _cells(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


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
def _translated_argparse() -> Iterator[None]:
    """argparse looks its words up in a module global; it is put back, for a notebook has other users of argparse."""
    before = argparse._  # type: ignore[attr-defined]
    argparse._ = _argparse_word  # type: ignore[attr-defined]
    try:
        yield
    finally:
        argparse._ = before  # type: ignore[attr-defined]


def _argparse_word(message: str) -> str:
    key = ARGPARSE_WORDS.get(message)
    return _text(f"argparse.{key}") if key else message
