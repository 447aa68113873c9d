"""Speculative decoding with the model's own chain: the same tokens, with drafts that are those of the chain."""

import random
from typing import ClassVar

import pytest
import torch

from eulerstack.runtime import generation
from eulerstack.runtime.schedule import Trace
from eulerstack.runtime.speculation import ChainDrafter
from tests.runtime.models.building import build, gap, tokens
from tests.runtime.models.layers import attention, layer, moe
from tests.runtime.models.sections import TWO, mtp, phases, spec
from tests.runtime.models.specs import SPECS

MODELS = {
    "one": spec(TWO, head=mtp(1, "b")),
    "three": spec(TWO, head=mtp(3, "a")),
    "three_windows": spec(
        {"a": layer(attention(window=4)), "b": layer(attention(window=5, window_mode="dilated", window_dilation=2))},
        head=mtp(3, "a"),
    ),
    "learned": spec(TWO, head=mtp(2, "b"), embedding={"positional": "learned"}),
    "alibi": spec(TWO, head=mtp(2, "b"), embedding={"positional": "alibi"}),
    "experts": spec(
        {"a": layer(), "h": layer(ffn=moe(routing={"type": "hash", "hash_salt": 3}))}, head=mtp(2, "h", head_layers=2)
    ),
    "wide": spec(TWO, head={**mtp(2), "logit_softcap": 9.0}, embedding={"d_embed": 16, "scale": 2.0}),
    "kv_from": spec(TWO, [{"template": "a"}, {"template": "a", "kv_from": -1}], head=mtp(2)),
    "phases": spec(TWO, head=mtp(3), **phases({"max_tokens": 6}, {"max_tokens": 8}, {"max_tokens": 7})),
    "recurrent_head": SPECS["mtp_recurrent"] | {"head": mtp(1, "b")},
}


class Watched(ChainDrafter):
    """Drafts what greedy decoding will say two times out of three, so that many drafts are accepted and many refused.

    `rounds` holds, for each round, the known ids, the candidates, and each step's logits.
    """

    rounds: ClassVar[list[tuple]] = []
    truth: ClassVar[torch.Tensor]
    coin: ClassVar[random.Random]

    def get_candidates(self, input_ids, **kwargs):
        """As usual, noted."""
        self.scores, self.place = [], input_ids.shape[1]
        candidates, logits = super().get_candidates(input_ids, **kwargs)
        self.rounds.append((input_ids, candidates, self.scores))
        return candidates, logits

    def _pick(self, scores):
        self.scores.append(scores)
        place, self.place = self.place, self.place + 1
        if place < self.truth.shape[1] and self.coin.random() < 2 / 3:
            return self.truth[:, place : place + 1]
        return super()._pick(scores)


@pytest.fixture
def watched(monkeypatch):
    """The drafter of every generation is a Watched one."""
    monkeypatch.setattr(generation, "ChainDrafter", Watched)
    Watched.rounds, Watched.coin = [], random.Random(0)
    return Watched


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_greedy_tokens_are_the_same(name, seed, watched):
    model, ids = build(MODELS[name]), tokens(batch=1, length=7, seed=seed)
    options = {"do_sample": False, "pad_token_id": 0, "max_new_tokens": 40}
    if name == "phases":
        del options["max_new_tokens"]
    watched.truth = expected = model.generate(ids, **options)
    assert torch.equal(model.generate(ids, use_mtp=True, **options), expected)
    made = expected.shape[1] - 7
    assert made / (1 + len(model.model.mtp)) < len(watched.rounds) < made
    padded, mask = torch.nn.functional.pad(ids, (5, 0)), torch.nn.functional.pad(torch.ones_like(ids), (5, 0))
    watched.truth = torch.nn.functional.pad(expected, (5, 0))
    assert torch.equal(model.generate(padded, attention_mask=mask, use_mtp=True, **options)[:, 5:], expected)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "phases"])
@torch.no_grad()
def test_drafts_are_what_the_chain_says_of_the_whole_text(name, watched):
    """Every draft is recomputed without any cache: step k over all rows, its last tokens being the drafts before it."""
    model, ids = build(MODELS[name]), tokens(batch=1, length=7)
    options = {"do_sample": False, "pad_token_id": 0, "max_new_tokens": 24}
    watched.truth = model.generate(ids, **options)
    model.generate(ids, use_mtp=True, **options)
    trunk = model.model
    assert len(watched.rounds[0][2]) == 0
    for known_ids, candidates, scores in watched.rounds[1:]:
        known = known_ids.shape[1]
        state = trunk(known_ids[:, : known - 1]).stream
        positions = torch.arange(known - 1)[None]
        assert len(scores) == len(trunk.mtp)
        for k, module in enumerate(trunk.mtp, start=1):
            read = candidates[:, k : known - 1 + k]
            embeds = trunk.embed(trunk.embed_tokens(read), positions + k)
            context = trunk.layer_context(state, None, positions, None, module.mask_kinds)
            context |= {"input_ids": read, "phase_ids": None, "embeddings": embeds}
            state = module(embeds, state, context, Trace())
            assert gap(scores[k - 1], model.read_out(trunk.project_out(state[:, -1]))) < 1e-5


@torch.no_grad()
def test_sampling_and_a_cache_that_goes_on():
    model, ids = build(MODELS["three"]), tokens(batch=1, length=7)
    torch.manual_seed(0)
    sampled = model.generate(ids, use_mtp=True, do_sample=True, pad_token_id=0, max_new_tokens=20)
    assert sampled.shape == (1, 27)
    options = {"do_sample": False, "pad_token_id": 0, "max_new_tokens": 20}
    caches = []
    for drafting in (False, True):
        cache = model(ids[:, :4], use_cache=True).past_key_values
        cache.activate_past_recording()
        caches.append(model.generate(ids, past_key_values=cache, use_mtp=drafting, **options))
    assert torch.equal(*caches)


@torch.no_grad()
def test_sampled_tokens_have_the_trunks_distribution():
    """The second new token, which is drafted, over many draws against the exact probabilities of the trunk."""
    model = build(MODELS["one"])
    ids = tokens(batch=1, length=5)
    draws = 400
    torch.manual_seed(0)
    found = torch.zeros(97)
    for _ in range(draws):
        out = model.generate(
            ids, use_mtp=True, do_sample=True, pad_token_id=0, max_new_tokens=2, top_k=5, temperature=1.0
        )
        found[out[0, 6]] += 1

    def top(logits: torch.Tensor) -> torch.Tensor:
        kept = logits.topk(5)
        return torch.zeros(97).index_put((kept.indices,), kept.values.softmax(-1))

    first = top(model(ids).logits[0, -1])
    expected = torch.zeros(97)
    for token in first.nonzero():
        expected += first[token] * top(model(torch.cat([ids, token[None]], 1)).logits[0, -1])
    distance = (found / draws - expected).abs().sum() / 2
    assert distance < 2.5 * (expected > 0).sum().sqrt() / (2 * draws**0.5)


@pytest.mark.parametrize(
    ("name", "message"), [("llama", "causal_lm_mtp"), ("mamba_mtp", "rolled back"), ("mtp_recurrent", "n_predict: 1")]
)
def test_what_cannot_draft_is_told(name, message):
    recurrent = spec(
        {"a": layer({"type": "mamba", "mamba": {"d_state": 8, "head_dim": 8}}), "b": layer()}, head=mtp(1, "b")
    )
    model = build({**SPECS, "mamba_mtp": recurrent}[name])
    with pytest.raises(ValueError, match=message):
        model.generate(tokens(batch=1, length=5), use_mtp=True, do_sample=False, max_new_tokens=4, pad_token_id=0)
