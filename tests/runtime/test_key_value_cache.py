"""A cache that writes behind its tokens: the same keys and values as transformers' that copies them."""

import copy

import pytest
import torch
from transformers.cache_utils import DynamicLayer

from eulerstack.runtime import key_value_cache
from eulerstack.runtime.key_value_cache import GrowingLayer
from tests.runtime.models.building import build, tokens
from tests.runtime.models.specs import SPECS


@pytest.fixture(autouse=True)
def always_in_place(monkeypatch):
    """Though the tests' caches are small; stores that are soon full."""
    monkeypatch.setattr(key_value_cache, "LARGE", 0)
    monkeypatch.setattr(key_value_cache, "SPARE", 3)


def added(count: int, rows: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(rows, 3, count, 4), torch.randn(rows, 3, count, 0)


@torch.no_grad()
def test_it_holds_what_a_copying_cache_holds():
    torch.manual_seed(0)
    grown, copied = GrowingLayer(), DynamicLayer()
    steps = (5, 1, 1, "reorder", 1, "crop", 1, 1, 4, "repeat", 1, "select", 2, "copy", 1, "reset", 6, 1)
    for step in steps:
        match step:
            case "reorder":
                done = [layer.reorder_cache(torch.tensor([1, 1])) for layer in (grown, copied)]
            case "crop":
                done = [layer.crop(-2) for layer in (grown, copied)]
            case "repeat":
                done = [layer.batch_repeat_interleave(2) for layer in (grown, copied)]
            case "select":
                done = [layer.batch_select_indices(torch.tensor([3, 0])) for layer in (grown, copied)]
            case "copy":
                grown = copy.deepcopy(grown)
            case "reset":
                done = [layer.reset() for layer in (grown, copied)]
                continue
            case int():
                new = added(step, copied.keys.shape[0] if copied.is_initialized else 2)
                done = [layer.update(*new) for layer in (grown, copied)]
                assert all(torch.equal(a, b) for a, b in zip(*done, strict=True))
        assert torch.equal(grown.keys, copied.keys)
        assert grown.get_seq_length() == copied.get_seq_length()


@torch.no_grad()
def test_tokens_are_written_behind_the_others_and_a_copy_goes_its_own_way():
    layer = GrowingLayer()
    layer.update(*added(5))
    layer.update(*added(1))
    place = layer.keys.data_ptr()
    twin = copy.deepcopy(layer)
    layer.update(*added(1))
    assert layer.keys.data_ptr() == place
    before = layer.keys.clone()
    twin.update(*added(1))
    assert torch.equal(layer.keys, before)


def test_gradients_reach_what_was_cached():
    layer, (first, second) = GrowingLayer(), (added(3)[0].requires_grad_() for _ in range(2))
    layer.update(first, first)
    keys, _ = layer.update(second, second)
    gradients = torch.autograd.grad(keys.square().sum(), [first, second])
    assert torch.equal(gradients[0], 2 * first)
    assert torch.equal(gradients[1], 2 * second)


def test_inference_mode_may_end():
    layer = GrowingLayer()
    with torch.inference_mode():
        layer.update(*added(3))
        layer.update(*added(1))
    with torch.no_grad():
        keys, _ = layer.update(*added(1))
    assert keys.shape[-2] == 5


@pytest.mark.parametrize("name", ["llama", "kv_from", "v_from_k"])
@torch.no_grad()
def test_generation_is_what_it_is_without_a_cache(name):
    model, ids = build(SPECS[name]), tokens(length=7)
    keys = {"max_new_tokens": 12, "do_sample": False, "num_beams": 2, "pad_token_id": 0}
    assert torch.equal(model.generate(ids, **keys), model.generate(ids, use_cache=False, **keys))
