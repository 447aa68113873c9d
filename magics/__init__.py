"""The notebook's face of the pipeline: `%load_ext eulerstack`, then `%%eulerstack` over a YAML cell."""

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
