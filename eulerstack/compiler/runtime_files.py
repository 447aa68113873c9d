"""The runtime's files as a compiled directory holds them: the same bytes, all that `modeling_eulerstack.py` reaches."""

import re
from functools import cache
from importlib.resources import files
from pathlib import Path

ENTRY = "modeling_eulerstack"
_RELATIVE_IMPORT = re.compile(r"^\s*(?:import\s+\.(\S+)\s*$|from\s+\.(\S+)\s+import)", re.MULTILINE)


@cache
def runtime_files() -> dict[str, bytes]:
    """Name and content of each file, found by text as transformers' remote-code loader finds them."""
    folder = files("eulerstack") / "runtime"
    found: dict[str, bytes] = {}
    pending = [ENTRY]
    while pending:
        name = f"{pending.pop()}.py"
        if name not in found:
            found[name] = (folder / name).read_bytes()
            pending += relative_imports(found[name].decode())
    return dict(sorted(found.items()))


def relative_imports(text: str) -> list[str]:
    """The siblings that a module's text imports."""
    return [first or second for first, second in _RELATIVE_IMPORT.findall(text)]


def copy_runtime(directory: Path) -> None:
    """Write the runtime's files into `directory`."""
    for name, content in runtime_files().items():
        (directory / name).write_bytes(content)
