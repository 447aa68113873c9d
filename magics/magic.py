"""`%eulerstack` and `%%eulerstack`: parse with the command line's parser, call api, give the result back."""

import json
import keyword
import shlex
from argparse import Namespace
from dataclasses import replace
from typing import Any

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from eulerstack import api, i18n
from eulerstack.arguments import Place, parse, split_language, told_by
from eulerstack.diagnostics import EulerStackError, Source
from eulerstack.magics.actions import ACTIONS
from eulerstack.magics.variables import expand
from eulerstack.parser import usage
from eulerstack.results.shown import AboutSpec

MAGIC = "eulerstack"
NOTEBOOK = ("browse", "edit", "monitor", "play", "lang")
"""The commands that only a notebook has."""
CELL_NAME = "<cell>"
MAGIC_LINE = "<line>"


@magics_class
class EulerStackMagics(Magics):
    """The magics. A wrong spec or call raises an EulerStackError, which shows itself without a traceback."""

    @no_var_expand
    @line_cell_magic(MAGIC)  # type: ignore[arg-type]  # IPython's decorators have no types
    def eulerstack(self, line: str, cell: str | None = None) -> Any:
        """Run a command of EulerStack; over a YAML cell alone: validate, explain and draw it."""
        try:
            lang, words = split_language(_words(expand(line, self._variables, name=MAGIC_LINE, line_offset=0)))
            with i18n.speaking(lang or i18n.language()):
                return self._line(words) if cell is None else self._cell(words, cell)
        except SystemExit:  # --help and --version have printed
            return None
        except EulerStackError as failure:
            raise failure from None

    @property
    def _variables(self) -> dict[str, Any]:
        assert self.shell is not None, "IPython makes a Magics with its shell"
        return self.shell.user_ns

    def _line(self, words: list[str]) -> Any:
        call = parse(words or ["--help"], Place.LINE)
        return self._finish(call, call.spec if "spec" in call else None)

    def _cell(self, words: list[str], cell: str) -> Any:
        bare = not words or (words[0].startswith("-") and words[0] not in ("-h", "--help", "--version"))
        call = parse(["show", *words] if bare else words, Place.CELL)
        if not cell.strip():
            raise usage("cell-empty")
        body = expand(cell, self._variables, name=CELL_NAME, line_offset=1)
        if getattr(call, "save", None):
            api.write_text(call.save, body, overwrite=True)
        return self._finish(call, Source(CELL_NAME, body, line_offset=1))

    def _result(self, call: Namespace, spec: api.Ref | None) -> Any:
        if call.command not in NOTEBOOK:
            return ACTIONS[call.command](call, spec)
        from eulerstack.magics.notebook import NOTEBOOK_ACTIONS  # widgets are loaded by who asks for one

        return NOTEBOOK_ACTIONS[call.command](call, spec)

    def _finish(self, call: Namespace, spec: api.Ref | None) -> Any:
        name = getattr(call, "out", None)
        if name is not None and (not name.isidentifier() or keyword.iskeyword(name)):
            raise usage("not-a-name", value=name)
        with told_by(call.parser.prog):
            result = self._result(call, spec)
        if name is not None:
            self._variables[name] = result
            if isinstance(result, AboutSpec):
                api.bindings[name] = replace(result.source, name=name)
        machine = {"json": getattr(result, "to_dict", None), "json-schema": getattr(result, "json_schema", None)}
        written = machine.get(getattr(call, "format", "text"))
        if written is None:
            return result
        print(json.dumps(written(), indent=2, ensure_ascii=False))
        return None


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as failure:  # a quote that does not close
        raise usage("open-quote", line=line, reason=str(failure)) from None
