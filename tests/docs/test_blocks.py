"""Every block of code in README and CONTRIBUTING runs: as it stands, or with sizes that a test has time for.

README.ko.md has README.md's blocks (`test_project.py`), so they run once.
"""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell

from eulerstack import api
from eulerstack.arguments import Place, parse
from eulerstack.cli import main
from tests.magics.conftest import shell as shell

ROOT = Path(__file__).resolve().parent.parent.parent
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
TINY = {
    "d_model: 2048": "d_model: 64",
    "vocab_size: 32000": "vocab_size: 384",
    "n_heads: 16": "n_heads: 2",
    "type: hf, pretrained: gpt2": "type: byte",
    "repeat: 24": "repeat: 2",
}
SHORT = {"--steps 500": "--steps 2 --batch 2 --length 32 --data corpus", " --follow": ""}
"""What makes README's spec and its training small enough, and its tokenizer one that needs no network."""
LAUNCHERS = ("torchrun", "accelerate")


def blocks(name: str) -> list[tuple[str, str]]:
    """Language and text of each block of a page, in its order."""
    return BLOCK.findall((ROOT / name).read_text("utf-8"))


def replaced(text: str, changes: dict[str, str]) -> str:
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


def calls(kind: str = "bash") -> Iterator[str]:
    """Each command line of README's shell blocks, its comment cut off."""
    for language, text in blocks("README.md"):
        if language == kind:
            yield from (line.split("  #")[0].strip() for line in text.splitlines())


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory with README's spec, small, and a little text."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EULERSTACK_CACHE", str(tmp_path / "cache"))
    spec = next(text for language, text in blocks("README.md") if language == "yaml")
    (tmp_path / "my-llm.yml").write_text(replaced(spec, TINY), "utf-8")
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "text.txt").write_text("".join(f"line {n} of a text\n" for n in range(400)), "utf-8")
    return tmp_path


def test_every_kind_of_block_is_run_by_a_test() -> None:
    """A block in another language, or a page with its first block, wants a test of its own here."""
    assert {language for language, _ in blocks("README.md")} == {"bash", "yaml", "python", ""}
    assert blocks("CONTRIBUTING.md") == []
    programs = {shlex.split(call)[0] for call in calls()}
    assert programs <= {"make", "pip", "eulerstack", *LAUNCHERS}


def test_make_and_pip_have_what_is_asked_of_them() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    for call in calls():
        program, *words = shlex.split(call)
        if program == "make":
            assert set(words) <= set(targets)
        if program == "pip":
            (extra,) = re.findall(r"eulerstack\[(\w+)\]", call)
            assert extra in extras


def test_launched_calls_parse() -> None:
    launched = [shlex.split(call) for call in calls() if call.startswith(LAUNCHERS)]
    assert launched
    for words in launched:
        place = words.index("-m")
        assert words[place + 1] == "eulerstack"
        assert parse(words[place + 2 :], Place.SHELL).command == "train"


@pytest.mark.slow
def test_the_model_and_the_training_of_the_readme(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The blocks from validate to `from_pretrained`, and from train to resume, one after the other."""
    for call in calls():
        if call.startswith("eulerstack"):
            assert main(shlex.split(replaced(call, SHORT))[1:]) == 0, f"{call}\n{capsys.readouterr().err}"
    assert api.watch(here / "runs" / "first").state.status == "finished"
    loads = [text for language, text in blocks("README.md") if language == "python" and "from_pretrained" in text]
    for text in loads:
        names: dict[str, object] = {}
        exec(text, names)
        assert type(names["model"]).__name__ == "EulerStackForCausalLM"
    assert len(loads) == 1


def test_the_notebook_cells_of_the_readme(here: Path, shell: InteractiveShell) -> None:
    """The magic over the cell that README begins, with the rest of its spec in the place of the dots."""
    (load,) = [text for language, text in blocks("README.md") if language == "python" and "%load_ext" in text]
    (cell,) = [text for language, text in blocks("README.md") if not language]
    assert cell.endswith("\n...\n")
    spec = (here / "my-llm.yml").read_text("utf-8")
    first = cell.splitlines()[1]
    assert spec.startswith(first)
    for text in (load, cell.replace(f"{first}\n...\n", spec)):
        shell.run_cell(text).raise_error()
    assert shell.user_ns["_"].model.name == "my-llm"


@pytest.mark.slow
def test_the_study_of_the_readme(here: Path) -> None:
    """Every spec of it on every task, at one rate, with one seed, for two steps."""
    (study,) = [text for language, text in blocks("README.md") if language == "yaml" and "seeds:" in text]
    smaller: list[tuple[str, str]] = [
        (r"^lr: .*$", "lr: [1.0e-3]"),
        (r"^seeds: .*$", "seeds: [0]"),
        (r"^steps: .*$", "steps: 2\nbatch: 2"),
        (r"data: python-stdlib", "data: corpus, length: 16, test: 8"),
    ]
    for pattern, text in smaller:
        study, found = re.subn(pattern, text, study, flags=re.MULTILINE)
        assert found == 1, pattern
    (here / "study.yml").write_text(study, "utf-8")
    assert main(["ablate", "study.yml"]) == 0
    assert (here / "runs" / "ablate" / "recall" / "report.html").is_file()
    found = api.ablate("study.yml").findings
    assert [(run.spec, run.task, run.failure) for run in found.runs] == [
        (spec, task, "") for task in ("mqar", "text") for spec in ("attention", "retention")
    ]
