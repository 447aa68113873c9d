"""Decoding with a cache, in whatever steps, equals the full forward; and it is causal."""

import pytest
import torch

from tests.runtime.models.building import build, gap, tokens
from tests.runtime.models.families.compression import REFUSES_LEFT_PADDING
from tests.runtime.models.specs import SPECS

CLOSE = 2e-5


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@torch.no_grad()
def test_chunks_equal_full_forward(name, implementation):
    model = build(SPECS[name])
    model.set_attn_implementation(implementation)
    ids = tokens()
    full = model(ids, use_cache=False).logits
    for splits in ([13, 14, 30, 41], list(range(1, 42))):
        cache, parts, start = None, [], 0
        for end in splits:
            out = model(ids[:, start:end], past_key_values=cache, use_cache=True)
            cache, start = out.past_key_values, end
            parts.append(out.logits)
        assert cache.get_seq_length() == 41
        assert gap(torch.cat(parts, dim=1), full) < CLOSE


@pytest.mark.parametrize("name", SPECS)
@torch.no_grad()
def test_later_tokens_never_change_earlier_logits(name):
    model = build(SPECS[name])
    ids = tokens()
    changed = ids.clone()
    changed[:, 23:] = tokens(seed=9)[:, 23:]
    before, after = model(ids).logits, model(changed).logits
    assert gap(after[:, :23], before[:, :23]) < CLOSE
    assert gap(after[:, 23:], before[:, 23:]) > 1e-2


@pytest.mark.parametrize("name", sorted(REFUSES_LEFT_PADDING))
@torch.no_grad()
def test_left_padding_that_would_shift_blocks_is_refused(name):
    model = build(SPECS[name])
    padded, mask = _pad_left(tokens(), 7), _pad_left(torch.ones_like(tokens()), 7)
    with pytest.raises(ValueError, match="padding must stand on the right"):
        model(padded, attention_mask=mask)
    with pytest.raises(ValueError, match="padding must stand on the right"):
        model.generate(padded, attention_mask=mask, max_new_tokens=2, pad_token_id=0)


@pytest.mark.parametrize("name", [name for name in SPECS if name not in REFUSES_LEFT_PADDING])
@torch.no_grad()
def test_left_padding_changes_nothing(name):
    model = build(SPECS[name])
    ids = tokens()
    padded, mask = _pad_left(ids[:1], 7), _pad_left(torch.ones_like(ids[:1]), 7)
    alone = model(ids[:1]).logits
    assert gap(model(padded, attention_mask=mask).logits[:, 7:], alone) < CLOSE
    out = model(padded[:, :20], attention_mask=mask[:, :20], use_cache=True)
    rest = model(padded[:, 20:], attention_mask=mask, past_key_values=out.past_key_values)
    assert gap(rest.logits, alone[:, 13:]) < CLOSE


@pytest.mark.parametrize("name", SPECS)
@torch.no_grad()
def test_right_padding_and_neighbours_change_nothing(name):
    model = build(SPECS[name])
    ids = tokens()
    mask = torch.ones_like(ids)
    ids[1, 30:], mask[1, 30:] = 0, 0
    together = model(ids, attention_mask=mask).logits
    assert gap(together[0], model(ids[:1]).logits[0]) < CLOSE
    assert gap(together[1, :30], model(ids[1:, :30]).logits[0]) < CLOSE


@pytest.mark.parametrize("name", SPECS)
def test_packed_equals_separate(name):
    model = build(SPECS[name])
    ids = tokens(batch=1)
    positions = torch.cat([torch.arange(17), torch.arange(24)])[None]
    packed = model(ids, position_ids=positions, use_cache=False).logits
    for start, end in ((0, 17), (17, 41)):
        assert gap(packed[:, start:end], model(ids[:, start:end]).logits) < CLOSE


@pytest.mark.parametrize("name", SPECS)
def test_generate_greedy_beams_and_samples(name):
    model = build(SPECS[name])
    ids = tokens(length=9)
    greedy = model.generate(ids, max_new_tokens=16, do_sample=False, pad_token_id=0)
    again = model.generate(ids, max_new_tokens=16, do_sample=False, pad_token_id=0, use_cache=False)
    assert torch.equal(greedy, again)
    if name not in REFUSES_LEFT_PADDING:
        padded, mask = _pad_left(ids, 4), _pad_left(torch.ones_like(ids), 4)
        left = model.generate(padded, attention_mask=mask, max_new_tokens=16, do_sample=False, pad_token_id=0)
        assert torch.equal(left[:, 4:], greedy)
    beams = [
        model.generate(ids, max_new_tokens=8, num_beams=3, do_sample=False, pad_token_id=0, use_cache=cached)
        for cached in (True, False)
    ]
    assert torch.equal(*beams)
    torch.manual_seed(0)
    samples = model.generate(ids, max_new_tokens=4, do_sample=True, num_return_sequences=3, pad_token_id=0)
    assert samples.shape == (6, 13)


def _pad_left(ids: torch.Tensor, count: int) -> torch.Tensor:
    return torch.nn.functional.pad(ids, (count, 0))
