"""Layer 5: the command line. One file per command; `main` speaks the language, runs one and gives its exit code."""

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence

from eulerstack import i18n
from eulerstack.arguments import parse, split_language
from eulerstack.cli import compile, demo, draw, explain, import_model, presets, schema, shrink, terminal, validate
from eulerstack.diagnostics import EulerStackError
from eulerstack.diagnostics.catalogue import CATALOGUE

COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "validate": validate.run,
    "explain": explain.run,
    "compile": compile.run,
    "import": import_model.run,
    "schema": schema.run,
    "presets": presets.run,
    "shrink": shrink.run,
    "draw": draw.run,
    "demo": demo.run,
}
"""Each command of the parser and what runs it; a test holds the two equal."""

VALID, WRONG_SPEC, WRONG_CALL = 0, 1, 2
INTERRUPTED, BROKEN_PIPE = 130, 141
"""What a shell reports for a process that SIGINT or SIGPIPE ended."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one call (`sys.argv` by default). 0: valid, 1: the spec is wrong, 2: the call is wrong."""
    words = list(sys.argv[1:] if argv is None else argv)
    terminal.prepare()
    try:
        code = _spoken(words)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # the reader went away; what is still buffered must not be written at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    return code


def _spoken(words: list[str]) -> int:
    try:
        lang, rest = split_language(words)
        with i18n.speaking(lang or i18n.language()):
            return _run(rest)
    except EulerStackError as failure:  # no such language: told in the one that is spoken anyway
        return _fail(failure)


def _run(words: list[str]) -> int:
    try:
        call = parse(words or ["--help"])
        return COMMANDS[call.command](call)
    except SystemExit as finished:  # --help and --version
        return int(finished.code or 0)
    except EulerStackError as failure:
        return _fail(failure)


def _fail(failure: EulerStackError) -> int:
    sys.stdout.flush()
    terminal.complain(failure.diagnostics)
    return exit_code(failure)


def exit_code(failure: EulerStackError) -> int:
    """2 when only the call is wrong. A missing file is the call's fault, but the spec's where the spec names it."""
    calls = (CATALOGUE[d.code].call and d.span is None for d in failure.diagnostics)
    return WRONG_CALL if all(calls) else WRONG_SPEC
