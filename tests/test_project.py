"""The project as such: the package map is whole, imports stay light, texts stand in both languages, links lead on."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from string import Formatter

import pytest

import eulerstack
from eulerstack import api

ROOT = Path(__file__).resolve().parent.parent
MAPPED = ("magics", "widgets", "presets", "locales")
HEAVY = ("torch", "transformers", "numpy", "IPython", "ipywidgets", "safetensors", "tokenizers")


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def test_every_package_is_in_the_package_map() -> None:
    inside = {path.parent for path in (ROOT / "eulerstack").rglob("__init__.py")}
    present = {".".join(folder.relative_to(ROOT).parts) for folder in inside}
    present |= {f"eulerstack.{name}" for name in MAPPED}
    assert set(project()["tool"]["setuptools"]["packages"]) == present


def test_the_version_is_one() -> None:
    assert project()["project"]["version"] == eulerstack.__version__
    assert f"## {eulerstack.__version__}\n" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_constraints_pin_every_dependency_inside_its_range() -> None:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    pins = {canonicalize_name(name): version for name, version in pins.items()}
    extras = project()["project"]["optional-dependencies"]
    wanted = [*project()["project"]["dependencies"], *extras["train"], *extras["ray"], *extras["lab"], *extras["dev"]]
    for requirement in map(Requirement, wanted):
        if requirement.name != "eulerstack":
            assert pins[canonicalize_name(requirement.name)] in requirement.specifier, requirement


@pytest.mark.parametrize(
    "module",
    ["eulerstack", "eulerstack.api", "eulerstack.cli", "eulerstack.schema", "eulerstack.ir", "eulerstack.drawing"],
)
def test_the_front_half_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print([m for m in {HEAVY!r} if m in sys.modules])"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert child.stdout.strip() == "[]"


def catalogues(lang: str) -> dict[str, dict[str, str]]:
    folder = ROOT / "locales" / lang
    return {
        path.relative_to(folder).as_posix(): dict(flatten(json.loads(path.read_text("utf-8"))))
        for path in folder.rglob("*.json")
    }


def flatten(node: dict, prefix: str = ""):
    for key, value in node.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_korean_and_english_say_the_same_things() -> None:
    english, korean = catalogues("en"), catalogues("ko")
    assert english.keys() == korean.keys()
    for file, texts in english.items():
        assert texts.keys() == korean[file].keys(), file
        for key, text in texts.items():
            assert text.strip(), f"{file}: {key} is empty"
            assert korean[file][key].strip(), f"{file}: {key} is empty in Korean"
            assert placeholders(text) == placeholders(korean[file][key]), f"{file}: {key}"


@pytest.mark.parametrize("name", ["README.md", "README.ko.md", "CONTRIBUTING.md"])
def test_links_lead_to_files(name: str) -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", (ROOT / name).read_text("utf-8"))
    assert [target for target in targets if not (ROOT / target).exists()] == []


@pytest.mark.parametrize("name", ["README.md", "README.ko.md"])
def test_the_readmes_name_every_command_and_every_family(name: str) -> None:
    from eulerstack.arguments import COMMANDS, Place
    from eulerstack.interop.families import FAMILIES

    text = (ROOT / name).read_text("utf-8")
    commands = re.findall(r"^\| `([a-z-]+)", text, re.MULTILINE)
    assert [command for command in COMMANDS[Place.SHELL] if command not in commands] == []
    assert [family for family in FAMILIES if not re.search(rf"\b{family}\b", text)] == []


def test_the_two_readmes_have_the_same_code() -> None:
    english, korean = ((ROOT / name).read_text("utf-8") for name in ("README.md", "README.ko.md"))
    blocks = [re.findall(r"```.*?```", text, re.DOTALL) for text in (english, korean)]
    code = [[re.sub(r"\s*#.*", "", block) for block in found] for found in blocks]
    assert code[0] == code[1]


def test_the_spec_of_the_readme_is_valid() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    block = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert block
    report = api.validate(block.group(1))
    assert report.ok
    assert [finding.code for finding in report.warnings] == ["vocabulary-too-small"]
