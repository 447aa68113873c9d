"""transformers' own common model tests, fetched when they are wanted from the package index's source distribution.

Nothing of them is kept in this repository. Of what they import, the distribution lacks two mixins, whose tests are of
exports and of generation; empty ones stand in for them.
"""

import subprocess
import sys
import tarfile
import tempfile
from contextlib import suppress
from pathlib import Path

import transformers

NAME = "transformers_common_tests"
TESTS = "test_modeling_common"
MISSING = {"exporters/test_export.py": "ExportTesterMixin", "generation/test_utils.py": "GenerationTesterMixin"}


def fetch(cache: Path) -> Path:
    """The directory that holds the package `NAME` for the installed version; `cache` keeps it between runs.

    Raises CalledProcessError where the package index cannot be reached.
    """
    root = cache / transformers.__version__
    if not root.exists():
        with tempfile.TemporaryDirectory(dir=cache) as directory:
            made = Path(directory) / "made"
            _write_package(made / NAME, _source(Path(directory)))
            with suppress(OSError):  # another process may have been first
                made.rename(root)
    return root


def _source(directory: Path) -> bytes:
    """The text of the tests, as distributed."""
    version = transformers.__version__
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary", "transformers"]
    wanted = f"transformers=={version}"
    subprocess.run([sys.executable, "-m", "pip", "download", *options, wanted, "-d", str(directory)], check=True)
    (archive,) = directory.glob("*.tar.gz")
    with tarfile.open(archive) as files:
        found = files.extractfile(f"transformers-{version}/tests/{TESTS}.py")
        assert found is not None
        return found.read()


def _write_package(package: Path, source: bytes) -> None:
    for path, mixin in MISSING.items():
        (package / path).parent.mkdir(parents=True)
        (package / path).write_text(f"class {mixin}:\n    pass\n", "utf-8")
    for folder in (package, *(package / path for path in package.iterdir())):
        (folder / "__init__.py").touch()
    (package / f"{TESTS}.py").write_bytes(source)
