"""Published packages to hold our own code to, fetched when they are wanted, without what they depend on."""

import importlib
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from types import ModuleType


def fetch(name: str, version: str, cache: Path) -> ModuleType:
    """The package from the package index; `cache` keeps it between runs.

    Raises CalledProcessError where the index cannot be reached.
    """
    root = cache / f"{name}-{version}"
    if not root.exists():
        with tempfile.TemporaryDirectory(dir=cache) as directory:
            made = Path(directory) / "made"
            options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--target", str(made)]
            subprocess.run([sys.executable, "-m", "pip", "install", *options, f"{name}=={version}"], check=True)
            with suppress(OSError):  # another process may have been first
                made.rename(root)
    sys.path.insert(0, str(root))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(root))
