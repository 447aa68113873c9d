"""The notebook's face of the pipeline: `%load_ext eulerstack`, then `%%eulerstack` over a YAML cell."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def load(shell: "InteractiveShell") -> None:
    """Add the magics to a shell; what `%load_ext eulerstack` does."""
    from eulerstack.magics import completion, inspection
    from eulerstack.magics.magic import EulerStackMagics

    shell.register_magics(EulerStackMagics)
    completion.add(shell)
    inspection.add(shell)
    _tell_of_environment()


def unload(shell: "InteractiveShell") -> None:
    """Take the magics out again, and forget the specs bound with `--out`."""
    from eulerstack import api
    from eulerstack.magics import completion, inspection
    from eulerstack.magics.magic import MAGIC

    completion.remove(shell)
    inspection.remove(shell)
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop(MAGIC, None)
    api.bindings.clear()


def _tell_of_environment() -> None:
    """Say once that the environment names a language that does not exist; Korean is spoken then."""
    from eulerstack.arguments import check_environment
    from eulerstack.diagnostics import EulerStackError

    try:
        check_environment()
    except EulerStackError as failure:
        print(failure, file=sys.stderr)
