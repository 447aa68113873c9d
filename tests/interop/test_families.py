"""Every family against transformers' own class: random small configurations, weights all random."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.interop.configs import BY_BLOCKS, CLASSES, GATES, settings
from tests.interop.models import Pair, assert_close, pair, tokens

CASES = [
    pytest.param((family, seed), marks=[pytest.mark.slow] if seed >= 2 else [], id=f"{family}-{seed}")
    for family in CLASSES
    for seed in range(16)
]


@pytest.fixture(params=CASES, scope="module")
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    family, seed = request.param
    attention = "sdpa" if seed % 2 and family != "gemma2" else "eager"
    return pair(family, settings(family, seed), tmp_path_factory.mktemp(family), attention)


def logits(model: torch.nn.Module, ids: torch.Tensor, **inputs: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(ids, use_cache=False, **inputs).logits


def test_logits_are_the_original_s(made: Pair) -> None:
    ids = tokens(2, 21)
    assert_close(logits(made.twin, ids), logits(made.original, ids))


def test_gradients_are_the_original_s(made: Pair) -> None:
    ids = tokens(2, 13, seed=1)
    ids[0, 3] = 0  # the pad token as a token, and one whose row of the embedding may not learn
    losses = []
    for model in (made.twin, made.original):
        model.zero_grad()
        model.train()
        losses.append(model(ids, labels=ids, use_cache=False).loss)
        losses[-1].backward()
        model.eval()
    assert_close(losses[0], losses[1], "loss")
    theirs, ours = (
        {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
        for model in (made.original, made.twin)
    )
    expected = made.mapped(theirs)
    assert expected.keys() == ours.keys()
    for name, gradient in expected.items():
        assert_close(ours[name], gradient, name)


def test_decoding_with_a_cache_is_the_whole(made: Pair) -> None:
    ids = tokens(2, 15, seed=2)  # short enough for dynamic and longrope to keep their frequencies
    whole = logits(made.twin, ids)
    steps, cache = [], None
    with torch.no_grad():
        for start, stop in ((0, 6), (6, 7), (7, 11), (11, 12), (12, 13), (13, 15)):
            out = made.twin(ids[:, start:stop], past_key_values=cache, use_cache=True)
            steps.append(out.logits)
            cache = out.past_key_values
    assert_close(torch.cat(steps, dim=1), whole)


def test_left_padding_changes_nothing(made: Pair) -> None:
    if made.original.config.model_type in BY_BLOCKS:
        with pytest.raises(ValueError, match="padding must stand on the right"):
            made.twin(tokens(1, 3), attention_mask=torch.tensor([[0, 1, 1]]))
        return
    ids = tokens(1, 12, seed=3)
    padded = torch.cat([torch.zeros(1, 3, dtype=torch.long), ids], dim=1)
    mask = torch.cat([torch.zeros(1, 3, dtype=torch.long), torch.ones_like(ids)], dim=1)
    assert_close(logits(made.twin, padded, attention_mask=mask)[:, 3:], logits(made.twin, ids))


def test_a_later_token_changes_no_earlier_logit(made: Pair) -> None:
    ids = tokens(1, 14, seed=4)
    other = ids.clone()
    other[:, 9:] = tokens(1, 5, seed=5)
    before, after = logits(made.twin, ids), logits(made.twin, other)
    assert_close(after[:, :9], before[:, :9])
    assert (after[:, 9:] - before[:, 9:]).abs().max() > 1e-3


def test_greedy_generation_gives_the_same_tokens(made: Pair) -> None:
    ids = tokens(3, 7, seed=6)
    if made.original.config.model_type not in BY_BLOCKS:
        ids[0, :2] = 0
    made.original.config.output_router_logits = False  # with a mask and a cache transformers' balance loss fails
    mask = (ids != 0).long()
    arguments = {"attention_mask": mask, "max_new_tokens": 24, "do_sample": False}
    ours, theirs = (model.generate(ids, **arguments) for model in (made.twin, made.original))
    assert torch.equal(ours, theirs)


def test_a_window_of_one(tmp_path: Path) -> None:
    """Where transformers' own decoding fails."""
    made = pair("mistral", settings("mistral", 0) | {"sliding_window": 1}, tmp_path)
    ids = tokens(1, 6)
    whole = logits(made.twin, ids)
    assert_close(whole, logits(made.original, ids))
    with torch.no_grad():
        cache = made.twin(ids[:, :4], use_cache=True).past_key_values
        assert_close(made.twin(ids[:, 4:], past_key_values=cache).logits, whole[:, 4:])


@pytest.mark.parametrize(
    ("family", "own"),
    [
        ("mamba", {"use_bias": True}),
        ("mamba2", {"use_bias": True}),
        ("mamba2", {"time_step_limit": (0.3, 0.9)}),
        ("jamba", {"mamba_proj_bias": True}),
    ],
)
def test_what_transformers_pads_or_decodes_otherwise(family: str, own: dict[str, Any], tmp_path: Path) -> None:
    """There a bias leaks from padding into the convolution, and a single step forgets the bounds of Δ."""
    made = pair(family, settings(family, 0) | own, tmp_path)
    ids = tokens(2, 13)
    whole = logits(made.twin, ids)
    assert_close(whole, logits(made.original, ids))
    with torch.no_grad():
        cache = made.twin(ids[:, :9], use_cache=True).past_key_values
        steps = [made.twin(ids[:, i : i + 1], past_key_values=cache).logits for i in range(9, 13)]
    assert_close(torch.cat(steps, dim=1), whole[:, 9:])


@pytest.mark.parametrize("family", [name for name in CLASSES if name not in ("mamba", "mamba2")])
def test_dropout_falls_where_the_original_drops(family: str, tmp_path: Path) -> None:
    """Under one seed both draw the same masks: the same places, rates and order."""
    own: dict[str, Any] = {"attention_dropout": 0.2}
    match family:
        case "gpt2":
            own = {"attn_pdrop": 0.2, "embd_pdrop": 0.3, "resid_pdrop": 0.1}
        case "opt":
            own |= {"dropout": 0.1}
        case "mixtral":
            own |= {"router_jitter_noise": 0.1}
    made = pair(family, settings(family, 3) | own, tmp_path)
    ids, results = tokens(2, 9), []
    for model in (made.twin, made.original):
        torch.manual_seed(5)
        model.train()
        results.append(logits(model, ids))
    assert_close(results[0], results[1])
    assert (results[0] - logits(made.twin.eval(), ids)).abs().max() > 1e-3


@pytest.mark.parametrize("activation", GATES)
@pytest.mark.parametrize("family", ["llama", "mixtral", "gpt2"])
def test_every_activation(family: str, activation: str, tmp_path: Path) -> None:
    key = "activation_function" if family == "gpt2" else "hidden_act"
    made = pair(family, settings(family, 1) | {key: activation}, tmp_path)
    ids = tokens(1, 9)
    assert_close(logits(made.twin, ids), logits(made.original, ids))
