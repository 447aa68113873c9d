"""The specs that tutorials write are valid, but for those that are shown to be wrong; 09 and 10 leave nothing out."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from eulerstack import api
from eulerstack.arguments import Place, parse
from eulerstack.diagnostics import Source
from tests.tutorials.test_tutorials import EACH, TUTORIALS, build

MAGIC = "%%eulerstack "
SHOWN = (
    "type: neural_memory",
    "type: ttt_layer",
    "depth_gating:",
    "type: causal_lm_mtp",
    "integrator:",
    "type: hyper_connection",
    "compression:",
    "latent_dim:",
    "parallel:",
    "type: branched",
    "execution_modes:",
    "parametrization: mup",
    "differentiation_objectives:",
    "tissue:",
)
"""What stands in the specs of tutorial 09: each newer primitive."""


def specs(source: Path) -> Iterator[tuple[str, str | None, str]]:
    """The specs of a tutorial's cells, in order: what is done, the name that is bound, the YAML.

    Left out are those that a value of Python completes, and what extends them: the run alone has them whole.
    """
    incomplete: set[str | None] = set()
    for cell in build.parse(source.read_text("utf-8")):
        if isinstance(cell, build.Code) and cell.text.startswith(MAGIC) and "raises-exception" not in cell.tags:
            head, _, yaml = cell.text.partition("\n")
            call = parse(head.removeprefix(MAGIC).split(), Place.CELL)
            extends = re.search(r"^extends: (\S+)$", yaml, re.MULTILINE)
            if "{{" in yaml or (extends and extends[1] in incomplete):
                incomplete.add(call.out)
            elif call.command != "ablate":
                yield call.command, call.out, yaml


@EACH
def test_every_spec_validates(source: Path) -> None:
    before = dict(api.bindings)
    try:
        for _, name, yaml in specs(source):
            text = Source(name or "cell.yml", yaml + "\n")
            assert [str(wrong) for wrong in api.validate(text).errors] == []
            if name:
                api.bindings[name] = text
    finally:
        api.bindings.clear()
        api.bindings.update(before)


def test_every_newer_primitive_has_its_spec_in_09() -> None:
    written = "\n".join(yaml for _, _, yaml in specs(TUTORIALS / "sources" / "09_new_primitives_walkthrough.md"))
    assert [key for key in SHOWN if key not in written] == []


@pytest.mark.parametrize("paper", ["v3", "jamba", "r1", "titans", "v4"])
def test_every_paper_has_its_spec_in_10(paper: str) -> None:
    assert paper in [name for _, name, _ in specs(TUTORIALS / "sources" / "10_paper_to_yaml.md")]
