"""The tissue's lateral exchange: where it happens, what it adds, and that without it nothing changes."""

import pytest
import torch

from eulerstack.ir.tissue import edges
from tests.runtime.models.building import build, gap, to_ir, tokens
from tests.runtime.models.layers import attention, layer
from tests.runtime.models.sections import TWO, columns, spec

THREE = {**TWO, "c": layer(attention(window=5))}
ORDER = ["a", "b", "b", "c", "a"]


def stack(**tissue) -> dict:
    return spec(THREE, [{"template": name} for name in ORDER], **tissue)


@pytest.mark.parametrize(
    ("connectivity", "expected"),
    [
        ("chain", {(0, 1), (1, 0), (1, 2), (2, 1)}),
        ("ring", {(0, 1), (1, 0), (1, 2), (2, 1), (0, 2), (2, 0)}),
        ("all_to_all", {(0, 1), (1, 0), (1, 2), (2, 1), (0, 2), (2, 0)}),
        ("none", set()),
    ],
)
def test_edges(connectivity, expected):
    tissue = to_ir(stack(tissue=columns(connectivity, 0.0, a="a", b="b", c="c"))).tissue
    assert set(edges(tissue)) == expected


def test_a_ring_of_four_has_no_diagonals():
    tissue = {"columns": [{}] * 4, "connectivity": "ring"}
    assert set(edges(tissue)) == {(i, (i + step) % 4) for i in range(4) for step in (1, 3)}


@torch.no_grad()
def test_each_output_reaches_each_neighbours_next_layer_once():
    """By hand, over a chain a – b – c: a → b, then b → c and b → a (the second b's output); c → b never runs again."""
    model = build(stack(tissue=columns("chain", 0.7, a="a", b="b", c="c")))
    ids = tokens()
    trunk = model.model
    x = trunk.embed_tokens(ids)
    positions = torch.arange(ids.shape[1])[None]
    context = trunk.layer_context(x, None, positions, None, trunk.mask_kinds)
    assert [tuple(e) for e in trunk.config.lateral["exchanges"]] == [(0, 1, 32, 32), (1, 2, 32, 32), (1, 0, 32, 32)]

    def carried(index: int, source: torch.Tensor) -> torch.Tensor:
        exchange = trunk.lateral[index]
        return 0.7 * source @ exchange.down_proj.weight.T @ exchange.up_proj.weight.T

    def run(index: int, x: torch.Tensor) -> torch.Tensor:
        return trunk.layers[index](x, cache_index=0, **context).hidden_states

    first_a = run(0, x)
    first_b = run(1, first_a + carried(0, first_a))
    last_b = run(2, first_b)
    c = run(3, last_b + carried(1, last_b))
    last_a = run(4, c + carried(2, last_b))
    assert gap(trunk(ids).last_hidden_state, trunk.norm(last_a)) < 1e-5


@torch.no_grad()
def test_absent_and_zero_are_one_function_and_so_is_the_start():
    ids = tokens()
    absent, zero = build(stack()), build(stack(tissue=columns("ring", 0.0, a="a", b="b", c="c")))
    assert torch.equal(zero(ids).logits, absent(ids).logits)
    started = build(stack(tissue=columns("ring", 0.7, a="a", b="b", c="c")))
    exchanged = started(ids).logits
    for exchange in started.model.lateral:
        exchange.up_proj.weight.zero_()
    started.load_state_dict(absent.state_dict(), strict=False)
    assert torch.equal(started(ids).logits, absent(ids).logits)
    assert gap(exchanged, started(ids).logits) > 1e-3
