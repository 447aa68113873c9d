"""Columns and their edges as `explain` tells them."""

from eulerstack import api
from eulerstack.ir.yaml_text import dump
from tests.runtime.models.layers import attention, layer
from tests.runtime.models.sections import columns, spec

FOUR = {name: layer(attention(window=window)) for name, window in zip("abc", (4, 5, 6), strict=True)}


def test_columns_roles_and_edges_are_explained():
    plain = spec(FOUR, tissue=columns("chain", 0.5, near="a", state="b", far="c"))
    plain["tissue"]["columns"][1]["role"] = "memory"
    told = api.explain(dump(plain))
    text = str(told)
    assert "near: a · state (memory): b · far: c" in text
    assert "chain: near ↔ state, state ↔ far · lateral_coef 0.5" in text
    tissue = told.to_dict()["tissue"]
    assert tissue["edges"] == [[0, 1], [1, 2]]
    assert tissue["columns"][1]["role"] == "memory"
    assert tissue["exchanges"] == 4


def test_without_a_tissue_nothing_is_said():
    told = api.explain(dump(spec(FOUR)))
    assert "tissue" not in told.to_dict()
    assert "lateral_coef" not in str(told)
