"""Real text that every machine has: the sources of the Python standard library."""

import hashlib
import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path

STANDARD_LIBRARY = "python-stdlib"
"""What this text is called where texts have names."""

LEFT_OUT = frozenset(
    {"site-packages", "dist-packages", "test", "tests", "idle_test", "encodings", "pydoc_data", "__pycache__"}
)


def standard_library_files() -> list[Path]:
    """The running Python's own sources without tests, installed packages and generated tables.

    The order is fixed but mixes the modules: files are sorted by a hash of their name, so that a run that stops early
    has still seen all kinds of them.
    """
    root = Path(sysconfig.get_path("stdlib"))
    return [root / name for name in sorted(_modules(root), key=_mixed)]


def _modules(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in LEFT_OUT]  # os.walk does not enter what is taken out here
        for file in files:
            if file.endswith(".py"):
                yield (Path(folder) / file).relative_to(root)


def _mixed(name: Path) -> bytes:
    return hashlib.sha256(name.as_posix().encode()).digest()
