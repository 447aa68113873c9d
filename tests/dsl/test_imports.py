"""The front starts fast: it loads nothing heavy."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "numpy", "IPython", "pydantic", "rich", "tokenizers", "ipywidgets", "graphviz")
CODE = """
import sys
import {module}
from eulerstack.diagnostics import EulerStackError, Source
if "{module}" == "eulerstack.dsl":
    try:
        eulerstack.dsl.resolve(Source("m.yml", "a: 1\\na: ${{ let.x }}\\n"))
    except EulerStackError as failure:
        str(failure)
print(*[name for name in {heavy} if name in sys.modules])
"""


@pytest.mark.parametrize("module", ["eulerstack", "eulerstack.i18n", "eulerstack.diagnostics", "eulerstack.dsl"])
def test_nothing_heavy_is_loaded(module: str) -> None:
    code = CODE.format(module=module, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == []
