"""The reference is what the program says of itself now."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from eulerstack.cli import COMMANDS
from eulerstack.schema.describe import every_path

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"


@pytest.fixture(scope="module")
def build() -> ModuleType:
    spec = spec_from_file_location("docs_build", DOCS / "build.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_is_current(build: ModuleType) -> None:
    for path, text in build.render().items():
        assert path.read_text("utf-8") == text, f"{path.relative_to(DOCS)} is old: make docs"


def test_it_names_every_command_and_every_key(build: ModuleType) -> None:
    files = build.render()
    for lang in build.LANGUAGES:
        cli, language = files[DOCS / lang / "cli.md"], files[DOCS / lang / "language.md"]
        assert [name for name in COMMANDS if f"## eulerstack {name}\n" not in cli] == []
        keys = {path.split(".override.")[-1] if ".override." in path else path.split(".")[-1] for path in every_path()}
        assert [key for key in sorted(keys) if f"| {key} " not in language] == []
