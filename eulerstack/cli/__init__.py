"""Layer 5: the command line. One file per command; `main` speaks the language, runs one and gives its exit code."""

import gc
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from eulerstack import i18n
from eulerstack.arguments import parse, split_language, spoken, told_by
from eulerstack.cli import terminal
from eulerstack.diagnostics import EulerStackError, error, reason
from eulerstack.diagnostics.catalogue import CATALOGUE


def _validate(call: Namespace) -> int:
    from eulerstack.cli import validate

    return validate.run(call)


def _explain(call: Namespace) -> int:
    from eulerstack.cli import explain

    return explain.run(call)


def _diff(call: Namespace) -> int:
    from eulerstack.cli import diff

    return diff.run(call)


def _compile(call: Namespace) -> int:
    from eulerstack.cli import compile

    return compile.run(call)


def _import(call: Namespace) -> int:
    from eulerstack.cli import import_model

    return import_model.run(call)


def _schema(call: Namespace) -> int:
    from eulerstack.cli import schema

    return schema.run(call)


def _presets(call: Namespace) -> int:
    from eulerstack.cli import presets

    return presets.run(call)


def _shrink(call: Namespace) -> int:
    from eulerstack.cli import shrink

    return shrink.run(call)


def _draw(call: Namespace) -> int:
    from eulerstack.cli import draw

    return draw.run(call)


def _train(call: Namespace) -> int:
    from eulerstack.cli import train

    return train.run(call)


def _watch(call: Namespace) -> int:
    from eulerstack.cli import watch

    return watch.run(call)


def _data(call: Namespace) -> int:
    from eulerstack.cli import data

    return data.run(call)


def _coord_check(call: Namespace) -> int:
    from eulerstack.cli import coord_check

    return coord_check.run(call)


def _ablate(call: Namespace) -> int:
    from eulerstack.cli import ablate

    return ablate.run(call)


def _demo(call: Namespace) -> int:
    from eulerstack.cli import demo

    return demo.run(call)


COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "validate": _validate,
    "explain": _explain,
    "diff": _diff,
    "compile": _compile,
    "import": _import,
    "schema": _schema,
    "presets": _presets,
    "shrink": _shrink,
    "draw": _draw,
    "train": _train,
    "watch": _watch,
    "data": _data,
    "coord-check": _coord_check,
    "ablate": _ablate,
    "demo": _demo,
}
"""Each command of the parser and what runs it, loaded when it is called; a test holds the two equal."""

BRIEF = frozenset({"validate", "explain", "diff", "schema", "presets", "shrink", "draw"})
"""Commands that read and answer: over before a garbage collection would have paid for itself."""

VALID, WRONG_SPEC, WRONG_CALL = 0, 1, 2
INTERRUPTED, BROKEN_PIPE = 130, 141
"""What a shell reports for a process that SIGINT or SIGPIPE ended."""


def run() -> NoReturn:
    """The console script. A process that only read and answered ends at once: taking its modules down one by one would
    be a tenth of its time.
    """
    code = main()
    if "torch" in sys.modules:  # whose threads and devices want to be put away
        sys.exit(code)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one call (`sys.argv` by default). 0: valid, 1: the spec is wrong, 2: the call is wrong."""
    words = list(sys.argv[1:] if argv is None else argv)
    terminal.prepare()
    try:
        lang, rest = split_language(words)
        with i18n.speaking(spoken(lang)):
            return _ended(rest)
    except KeyboardInterrupt:
        return INTERRUPTED
    except EulerStackError as failure:  # no such language: told in the one that is spoken anyway
        return _fail(failure)


def _ended(words: list[str]) -> int:
    """Run a call and write out what it printed, or end as one does whose output cannot be written."""
    try:
        code = _run(words)
        sys.stdout.flush()
    except OSError as failure:
        if terminal.takes_output():  # not what went wrong
            raise
        terminal.drop(sys.stdout)
        if isinstance(failure, BrokenPipeError):  # the reader went away, and needs no word about it
            return BROKEN_PIPE
        return _fail(error("cannot-write", params={"path": "<stdout>", "reason": reason(failure)}, fix="fix_output"))
    return code


def _run(words: list[str]) -> int:
    try:
        with _without_overhead():
            call = parse(words or ["--help"])
            if call.command in BRIEF:
                return _called(call)
        return _called(call)
    except SystemExit as finished:  # --help and --version
        return int(finished.code or 0)
    except EulerStackError as failure:
        return _fail(failure)


def _called(call: Namespace) -> int:
    with told_by(call.parser.prog):
        return COMMANDS[call.command](call)


@contextmanager
def _without_overhead() -> Iterator[None]:
    """No garbage collection, and no search of everything installed for plugins of pydantic, of which none is ours."""
    variable, collecting = "PYDANTIC_DISABLE_PLUGINS", gc.isenabled()
    searching = variable not in os.environ
    gc.disable()
    if searching:
        os.environ[variable] = "__all__"
    try:
        yield
    finally:
        if collecting:
            gc.enable()
        if searching:
            del os.environ[variable]


def _fail(failure: EulerStackError) -> int:
    sys.stdout.flush()
    try:
        terminal.complain(failure.diagnostics)
    except OSError:  # then the exit code alone tells
        terminal.drop(sys.stderr)
    return exit_code(failure)


def exit_code(failure: EulerStackError) -> int:
    """2 when only the call is wrong. A missing file is the call's fault, but the spec's where the spec names it."""
    calls = (CATALOGUE[d.code].call and d.span is None for d in failure.diagnostics)
    return WRONG_CALL if all(calls) else WRONG_SPEC
