"""What 07 and 08 promise: no arch_ preset is left out, and the minis' failures are told by the run."""

import json

import nbformat
import pytest

from eulerstack import preset_index
from tests.tutorials.test_tutorials import EVERY_LANGUAGE, TUTORIALS

ARCH = [name for name in preset_index.names() if name.startswith("arch_")]
MINIS = [name for name in ARCH if name.endswith("_mini")]
LARGEST = 420_000
"""Bytes of a notebook that a browser still shows at once."""


def shown(lang: str, name: str) -> list[str]:
    """What each code cell of a committed notebook shows, as one text."""
    book = nbformat.read(TUTORIALS / lang / f"{name}.ipynb", as_version=4)
    outputs = [cell.outputs for cell in book.cells if cell.cell_type == "code"]
    return ["\n".join(_text(output) for output in each) for each in outputs]


def _text(output: nbformat.NotebookNode) -> str:
    return output.text if output.output_type == "stream" else "\n".join(map(str, output.get("data", {}).values()))


@EVERY_LANGUAGE
def test_every_arch_preset_is_walked_past_with_its_picture(lang: str) -> None:
    everything = "\n".join(shown(lang, "07_arch_walkthrough"))
    assert len(ARCH) == 33
    for name in ARCH:
        _, _, after = everything.partition(f"<b>{name}</b>")
        assert after, name
        spec_name = name.replace("_", "-")
        assert f'aria-label="{spec_name}: ' in after.split("<b>arch_", 1)[0], name


@EVERY_LANGUAGE
def test_every_mini_is_trained_or_its_twin(lang: str) -> None:
    cells = shown(lang, "08_expert_mini_walkthrough")
    assert all(any(mini in cell for cell in cells) for mini in MINIS)
    (study,) = (cell for cell in cells if "in_context_recall" in cell and "<svg" in cell)
    assert all(mini.removeprefix("arch_expert_").removesuffix("_mini") in study for mini in MINIS)


@EVERY_LANGUAGE
def test_the_verdict_names_every_run(lang: str) -> None:
    (told,) = (cell for cell in shown(lang, "08_expert_mini_walkthrough") if "of its experts idle" in cell)
    runs = ("mixtral_moe_mini", "deepseek_moe_mini", "frontier_full_moe_mini", "thin", "thin_balanced")
    first = {line.split()[0]: line for line in told.splitlines() if "idle" in line}
    assert set(first) == set(runs)
    assert all(line.endswith(("collapsed", "in use")) for line in first.values())


@pytest.mark.parametrize("name", ["07_arch_walkthrough", "08_expert_mini_walkthrough"])
@EVERY_LANGUAGE
def test_the_notebook_stays_small(lang: str, name: str) -> None:
    path = TUTORIALS / lang / f"{name}.ipynb"
    assert path.stat().st_size < LARGEST
    assert "error" not in {output["output_type"] for output in _outputs(json.loads(path.read_text("utf-8")))}


def _outputs(book: dict) -> list[dict]:
    return [output for cell in book["cells"] for output in cell.get("outputs", [])]
