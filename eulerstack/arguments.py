"""The words of a call: one parser for the command line and the magics.

The language is resolved first (`--lang` at any position, then EULERSTACK_LANG, then Korean) and the parser is built in
it, argparse's own words included. Every mistake in a call is a `ValidationError` of three lines; nothing here exits the
process but `--help` and `--version`, which raise SystemExit(0) as argparse does.
"""

import re
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

from eulerstack import __version__, i18n, preset_index
from eulerstack.diagnostics import EulerStackError
from eulerstack.parser import Parser, translated_argparse, usage

LARGEST_SEED = 2**63 - 1
_SIZE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?(MB|GB|TB|MiB|GiB|TiB)", re.IGNORECASE | re.ASCII)
_BYTES = {"MB": 10**6, "GB": 10**9, "TB": 10**12, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
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


def spoken(lang: str | None) -> str:
    """The language of a call: `lang` where it was written, else the session's. Raises where the environment names one
    that does not exist.
    """
    if lang is None:
        check_environment()
    return lang or i18n.language()


def check_environment() -> None:
    """Raise ValidationError where the environment names a language that does not exist."""
    value = i18n.unknown_environment_language()
    if value is not None:
        known = ", ".join(i18n.LANGUAGES)
        raise usage("unknown-language-variable", variable=i18n.VARIABLE, value=value, known=known)


class Place(StrEnum):
    """Where a call stands, and what it is called there."""

    SHELL = "eulerstack"
    LINE = "%eulerstack"
    CELL = "%%eulerstack"


def parse(argv: Sequence[str], place: Place = Place.SHELL) -> Namespace:
    """The call as a namespace, in the current language; `--lang` has been split off before.

    Over a cell no spec is named, for the cell is it. Raises EulerStackError for a wrong call and SystemExit(0) after
    `--help` or `--version`.
    """
    with translated_argparse():
        parser = build(place, next((word for word in argv if not word.startswith("-")), ""))
        namespace, extra = parser.parse_known_args(list(argv))
        active: Parser = getattr(namespace, "parser", parser)
        if extra:
            active.refuse(extra[0])
        with told_by(active.prog):
            _check_spec(namespace)
            _check_import(namespace)
    return namespace


@contextmanager
def told_by(command: str) -> Iterator[None]:
    """An error inside points to the help of `command`, which was called."""
    try:
        yield
    except EulerStackError as failure:
        raise failure.told_by(command) from None


def build(place: Place = Place.SHELL, called: str | None = None) -> Parser:
    """The parser in the current language: the whole, or with the options of the command that is `called` alone."""
    parser = Parser(prog=place.value, description=_text("root.about"), epilog=_text("root.epilog"))
    parser.add_argument("--lang", choices=i18n.LANGUAGES, metavar="|".join(i18n.LANGUAGES), help=_text("root.lang"))
    parser.add_argument(
        "--version", action="version", version=f"eulerstack {__version__}", help=_text("argparse.version")
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title=_text("root.commands"))
    for name, configure in COMMANDS[place].items():
        command = _add(commands, name, name)
        if called in (None, name):
            configure(command, place)
    return parser


# One function per command.


def _validate(parser: Parser, place: Place) -> None:
    _spec(parser, place)
    _flag(parser, "validate.report", "--report")
    _flag(parser, "validate.strict", "--strict")
    _flag(parser, "validate.validate-only", "--validate-only")
    _format(parser)


def _explain(parser: Parser, place: Place) -> None:
    _spec(parser, place)
    parser.add_argument("other", metavar="OTHER", nargs="?", help=_text("explain.other"))
    _option(parser, "explain.seq", "--seq", type=_count, metavar="N")
    _option(parser, "explain.batch", "--batch", type=_count, metavar="N")
    _option(parser, "explain.dtype", "--dtype", choices=("float32", "float16", "bfloat16"))
    _option(parser, "explain.fits", "--fits", type=_bytes, metavar="SIZE")
    _format(parser)


def _compile(parser: Parser, place: Place) -> None:
    _spec(parser, place)
    _option(parser, "compile.output", "-o", "--output", type=_path, metavar="FILE")
    _option(parser, "compile.output-dir", "--output-dir", type=_path, metavar="DIR")
    _flag(parser, "compile.overwrite", "--overwrite")
    _flag(parser, "compile.validate-only", "--validate-only")
    _flag(parser, "compile.print-config", "--print-config", "--dry-run", dest="print_config")
    _option(parser, "compile.tokenizer", "--tokenizer", choices=("auto", "skip", "require"), default="auto")
    _option(parser, "compile.seed", "--seed", type=_seed, metavar="N")
    _flag(parser, "compile.twin", "--twin")


def _diff(parser: Parser, place: Place) -> None:
    if place is Place.CELL:
        parser.add_argument("other", metavar="OTHER", help=_text("diff.than"))
    else:
        parser.add_argument("spec", metavar="SPEC", help=_text("diff.before"))
        parser.add_argument("other", metavar="OTHER", help=_text("diff.after"))
    _option(parser, "diff.level", "--level", choices=("resolved", "authored"), default="resolved")
    _format(parser)


def _import(parser: Parser, _: Place) -> None:
    parser.add_argument("directory", type=_path, metavar="HF_DIR", help=_text("import.directory"))
    _option(parser, "import.output-dir", "--output-dir", type=_path, metavar="DIR")
    _flag(parser, "import.yaml-only", "--yaml-only")
    _option(parser, "import.output", "-o", "--output", type=_path, metavar="FILE")
    _flag(parser, "import.overwrite", "--overwrite")


def _schema(parser: Parser, _: Place) -> None:
    parser.add_argument("path", metavar="PATH", nargs="?", default="", help=_text("schema.path"))
    _format(parser, "json-schema")


def _presets(parser: Parser, _: Place) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, title=_text("root.commands"))
    listed = _add(actions, "list", "presets.list")
    _option(listed, "presets.tier", "--tier", choices=tuple(map(str, preset_index.TIERS)))
    _option(listed, "presets.level", "--level", choices=preset_index.LEVELS)
    _option(listed, "presets.mixer", "--mixer", choices=preset_index.MIXERS)
    _option(listed, "presets.min-params", "--min-params", type=_parameters, metavar="N")
    _option(listed, "presets.max-params", "--max-params", type=_parameters, metavar="N")
    _format(listed)
    show = _add(actions, "show", "presets.show")
    show.add_argument("name", metavar="NAME", help=_text("presets.name"))
    _format(show)
    copy = _add(actions, "copy", "presets.copy")
    copy.add_argument("name", metavar="NAME", help=_text("presets.name"))
    copy.add_argument("file", type=_path, metavar="FILE", help=_text("presets.file"))
    _flag(copy, "shrink.overwrite", "--overwrite")


def _shrink(parser: Parser, place: Place) -> None:
    _spec(parser, place)
    _option(parser, "shrink.output", "-o", "--output", type=_path, metavar="FILE")
    _flag(parser, "shrink.overwrite", "--overwrite")


def _draw(parser: Parser, place: Place) -> None:
    _spec(parser, place)
    parser.add_argument("other", metavar="OTHER", nargs="?", help=_text("draw.other"))
    _flag(parser, "draw.unfold", "--unfold")
    _option(parser, "draw.output", "-o", "--output", type=_path, metavar="FILE")


def _train(parser: Parser, place: Place) -> None:
    _spec(parser, place, or_resume=True)
    _flag(parser, "train.twin", "--twin")
    _text_source(parser)
    _option(parser, "train.steps", "--steps", type=_count, metavar="N")
    _option(parser, "train.tokens", "--tokens", type=_parameters, metavar="N")
    _option(parser, "train.minutes", "--minutes", type=_positive, metavar="N")
    _option(parser, "train.run-dir", "--run-dir", type=_path, metavar="DIR")
    _flag(parser, "train.resume", "--resume")
    _flag(parser, "train.overwrite", "--overwrite")
    _option(parser, "train.batch", "--batch", type=_count, metavar="N")
    _option(parser, "train.micro-batch", "--micro-batch", type=_count, metavar="N")
    _option(parser, "train.length", "--length", type=_count, metavar="N")
    _option(parser, "train.lr", "--lr", type=_positive, metavar="RATE")
    _option(parser, "train.seed", "--seed", type=_seed, metavar="N")
    _option(parser, "train.precision", "--precision", choices=("auto", "fp32", "bf16", "fp16"), default="auto")
    parser.add_argument("--checkpointing", action="store_true", default=None, help=_text("train.checkpointing"))
    if place is not Place.SHELL:
        _flag(parser, "train.detach", "--detach")
    _format(parser)


def _watch(parser: Parser, _: Place) -> None:
    parser.add_argument("run_dir", type=_path, metavar="RUN_DIR", help=_text("watch.run-dir"))
    words = parser.add_mutually_exclusive_group()
    for word in ("pause", "continue", "stop"):
        words.add_argument(f"--{word}", dest="word", action="store_const", const=word, help=_text(f"watch.{word}"))
    _flag(parser, "watch.follow", "--follow")
    _format(parser)


def _data(parser: Parser, place: Place) -> None:
    _spec(parser, place)
    _text_source(parser)
    _option(parser, "data.bpe", "--bpe", type=_count, metavar="N")
    _format(parser)


def _coord_check(parser: Parser, place: Place) -> None:
    _spec(parser, place)
    _flag(parser, "coord-check.twin", "--twin")
    _option(parser, "coord-check.widths", "--widths", type=_counts, default=(), metavar="N,N,…")
    _option(parser, "coord-check.steps", "--steps", type=_count, default=10, metavar="N")
    _option(parser, "coord-check.lr", "--lr", type=_positive, default=1e-2, metavar="RATE")
    _option(parser, "coord-check.seeds", "--seeds", type=_count, default=1, metavar="N")
    _option(parser, "coord-check.output", "-o", "--output", type=_path, metavar="FILE.svg")
    _flag(parser, "shrink.overwrite", "--overwrite")
    _format(parser)


def _ablate(parser: Parser, place: Place) -> None:
    if place is not Place.CELL:
        parser.add_argument("study", type=_path, metavar="STUDY", help=_text("ablate.study"))
    _option(parser, "ablate.run-dir", "--run-dir", type=_path, metavar="DIR")
    _flag(parser, "ablate.retry", "--retry")
    _option(parser, "ablate.engine", "--engine", choices=("local", "ray"), default="local")
    if place is not Place.SHELL:
        _option(parser, "root.out", "--out", metavar="NAME")
    _format(parser)


def _text_source(parser: Parser) -> None:
    _option(parser, "data.data", "--data", default="python-stdlib", metavar="SOURCE")
    _option(parser, "data.text-column", "--text-column", metavar="NAME")
    _option(parser, "data.tokenizer", "--tokenizer", type=_path, metavar="DIR")


def _demo(parser: Parser, place: Place) -> None:
    _spec(parser, place)
    parser.set_defaults(default_spec="arch_beginner_llama")
    _option(parser, "demo.output-dir", "--output-dir", type=_path, metavar="DIR")
    _flag(parser, "demo.overwrite", "--overwrite")
    _option(parser, "demo.seconds", "--seconds", type=_seconds, default=60.0, metavar="N")
    _option(parser, "demo.seed", "--seed", type=_seed, default=0, metavar="N")


def _show(parser: Parser, place: Place) -> None:
    _spec(parser, place)


def _browse(parser: Parser, _: Place) -> None:
    _option(parser, "root.out", "--out", metavar="NAME")


def _edit(parser: Parser, place: Place) -> None:
    _spec(parser, place)


def _monitor(parser: Parser, _: Place) -> None:
    parser.add_argument("runs", nargs="+", type=_path, metavar="RUN_DIR", help=_text("monitor.runs"))
    _option(parser, "root.out", "--out", metavar="NAME")


def _play(parser: Parser, place: Place) -> None:
    _spec(parser, place)
    _flag(parser, "play.twin", "--twin")


def _lang(parser: Parser, _: Place) -> None:
    choices = "|".join(i18n.LANGUAGES)
    parser.add_argument("language", nargs="?", choices=i18n.LANGUAGES, metavar=choices, help=_text("lang.language"))


_ABOUT_A_SPEC: dict[str, Callable[[Parser, Place], None]] = {
    "validate": _validate,
    "explain": _explain,
    "diff": _diff,
    "compile": _compile,
    "shrink": _shrink,
    "draw": _draw,
    "train": _train,
    "data": _data,
    "coord-check": _coord_check,
}
_ABOUT_OTHER_THINGS = {"watch": _watch, "ablate": _ablate, "import": _import, "schema": _schema, "presets": _presets}
_FOR_NOTEBOOKS = {"browse": _browse, "edit": _edit, "monitor": _monitor, "play": _play, "lang": _lang}
COMMANDS = {
    Place.SHELL: _ABOUT_A_SPEC | _ABOUT_OTHER_THINGS | {"demo": _demo},
    Place.LINE: _ABOUT_A_SPEC | _ABOUT_OTHER_THINGS | _FOR_NOTEBOOKS,
    Place.CELL: {"show": _show} | _ABOUT_A_SPEC | {"edit": _edit, "play": _play, "ablate": _ablate},
}
"""The commands of each place, in the order of `--help`."""


# What the commands share.


def _spec(parser: Parser, place: Place, *, or_resume: bool = False) -> None:
    if place is not Place.CELL:
        parser.add_argument("spec", metavar="SPEC", nargs="?", help=_text("root.spec"))
        _option(parser, "root.preset", "--preset", metavar="NAME|PATH")
        parser.set_defaults(needs_spec=True, or_resume=or_resume)
    if place is not Place.SHELL:
        _option(parser, "root.out", "--out", metavar="NAME")
    if place is Place.CELL:
        _option(parser, "root.save", "--save", type=_path, metavar="FILE")


def _format(parser: Parser, *more: str) -> None:
    _option(parser, "root.format", "--format", choices=("text", "json", *more), default="text")


def _option(parser: Parser, key: str, *names: str, **settings: Any) -> None:
    if "choices" in settings:
        settings["metavar"] = "|".join(settings["choices"])
    parser.add_argument(*names, help=_text(key), **settings)


def _flag(parser: Parser, key: str, *names: str, **settings: Any) -> None:
    parser.add_argument(*names, action="store_true", help=_text(key), **settings)


def _add(commands: Any, name: str, key: str) -> Parser:
    about = _text(f"{key}.about")
    parser: Parser = commands.add_parser(name, help=about, description=about)
    parser.set_defaults(parser=parser)
    return parser


def _text(key: str) -> str:
    return i18n.text("cli", key)


def _path(word: str) -> str:
    if not word:  # mostly a shell's variable that is not set
        raise usage("empty-path")
    return word


def _seed(word: str) -> int:
    if not (word.isascii() and word.isdigit() and len(word) < 20 and int(word) <= LARGEST_SEED):
        raise usage("bad-seed", value=word, largest=LARGEST_SEED)
    return int(word)


def _parameters(word: str) -> int:
    try:
        return preset_index.parameter_count(word)
    except (ValueError, OverflowError):  # NaN, infinity
        raise usage("bad-parameters", value=word) from None


def preset_filter(call: Namespace) -> dict[str, Any]:
    """What `presets list` is to be narrowed to, as api.presets takes it."""
    narrow = {name: getattr(call, name) for name in ("level", "mixer", "min_params", "max_params")}
    return {"tier": call.tier and int(call.tier), **narrow}


def workload(call: Namespace) -> dict[str, Any]:
    """What `explain` is to tell the cost for, as api.explain takes it. Raises where two specs are to fit a device."""
    if call.other and call.fits is not None:
        raise usage("fits-two-specs")
    return {name: getattr(call, name) for name in ("seq", "batch", "dtype")}


def _count(word: str) -> int:
    digits = word.replace("_", "")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 13 and int(digits)):
        raise usage("bad-count", value=word)
    return int(digits)


def _bytes(word: str) -> int:
    found = _SIZE.fullmatch(word)
    if not found or not float(found[1]):
        raise usage("bad-size", value=word)
    return round(float(found[1]) * _BYTES[found[2].upper()])


def _counts(word: str) -> tuple[int, ...]:
    return tuple(_count(part) for part in word.split(","))


def _positive(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):  # refuses NaN as well
        raise usage("bad-rate", value=word)
    return value


def training_options(call: Namespace) -> dict[str, Any]:
    """What a call of `train` asks of the run, as api.train takes it."""
    names = ("steps", "tokens", "minutes", "data", "text_column", "tokenizer", "batch", "micro_batch", "length", "lr")
    asked = {name: getattr(call, name) for name in (*names, "seed", "precision", "checkpointing")}
    return {**asked, **{name: getattr(call, name) for name in ("run_dir", "resume", "twin", "overwrite")}}


def _seconds(word: str) -> float:
    try:
        seconds = float(word)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= LONGEST_DEMO:  # refuses NaN as well
        raise usage("bad-seconds", value=word, longest=LONGEST_DEMO)
    return seconds


def _known_language(word: str) -> str:
    if word not in i18n.LANGUAGES:
        raise usage("unknown-language", value=word, known=", ".join(i18n.LANGUAGES))
    return word


def _check_spec(namespace: Namespace) -> None:
    if not getattr(namespace, "needs_spec", False):
        return
    if namespace.spec is not None and namespace.preset is not None:
        raise usage("two-specs", first=namespace.spec, second=namespace.preset)
    namespace.spec = namespace.preset if namespace.spec is None else namespace.spec
    if namespace.spec is None:
        namespace.spec = getattr(namespace, "default_spec", None)
    if namespace.spec is None and not (namespace.or_resume and namespace.resume and namespace.run_dir):
        raise usage("no-spec", command=namespace.parser.prog)


def _check_import(namespace: Namespace) -> None:
    if namespace.command != "import":
        return
    yaml, directory, file = namespace.yaml_only, namespace.output_dir, namespace.output
    if not (yaml or directory) or (file and (directory or not yaml)):
        raise usage("import-where")
