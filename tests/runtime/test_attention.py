"""Attention's variants against transformers' models and plain equations: outputs and gradients."""

import pytest
import torch
from transformers import DeepseekV2Config, DeepseekV3Config, GptOssConfig
from transformers.models.deepseek_v2 import modeling_deepseek_v2 as v2
from transformers.models.deepseek_v3 import modeling_deepseek_v3 as v3
from transformers.models.gpt_oss import modeling_gpt_oss as oss

from eulerstack.runtime.cache import EulerStackCache
from eulerstack.runtime.positions import RopeSettings, RotaryEmbedding
from tests.runtime.models.building import build, gap, tokens
from tests.runtime.models.layers import attention, layer
from tests.runtime.models.sections import spec

WIDTH, LENGTH = 32, 21
POSITIONS = torch.arange(LENGTH)[None]
CLOSE = 1e-5


def mixer_of(**keys):
    """A mixer with these keys, all its parameters random."""
    return build(spec({"d": layer(attention(**keys))})).model.layers[0].mixer


def inputs(batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, LENGTH, WIDTH, generator=torch.Generator().manual_seed(3))


def causal_mask(window: int | None = None) -> torch.Tensor:
    distance = torch.arange(LENGTH)[:, None] - torch.arange(LENGTH)
    seen = (distance >= 0) & (distance < (window or LENGTH))
    return torch.zeros(1, 1, LENGTH, LENGTH).masked_fill(~seen, torch.finfo(torch.float32).min)


def run(mixer, x: torch.Tensor, mask: torch.Tensor, rope: dict | None = None) -> torch.Tensor:
    """The mixer's output, its rotary embedding of `rope`'s parameters."""
    embeddings = {}
    if mixer.rope:
        parameters = {"rope_type": "default", **(rope or {}), "rope_theta": mixer.rope.theta}
        embeddings["r"] = RotaryEmbedding(RopeSettings(parameters, mixer.rope.dim, 64))(x, POSITIONS)
        mixer.rope.key = "r"
    return mixer(x, {mixer.mask_kind.key: mask}, embeddings, position_ids=POSITIONS)[0]


def assert_same(ours, theirs, pairs: dict, our_output: torch.Tensor, their_output: torch.Tensor) -> None:
    """Equal outputs, and equal gradients of equal names."""
    assert gap(our_output, their_output) < CLOSE
    direction = torch.randn(our_output.shape, generator=torch.Generator().manual_seed(5))
    (our_output * direction).sum().backward()
    (their_output * direction).sum().backward()
    wanted = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        assert gap(parameter.grad, wanted[pairs.get(name, name)].grad) < CLOSE, name


@pytest.mark.parametrize("q_rank", [None, 12])
@pytest.mark.parametrize("version", ["v2", "v3", "v3_halves"])
@pytest.mark.parametrize("scaling", [{}, {"factor": 4.0, "mscale": 0.8, "mscale_all_dim": 0.6}])
def test_latent_attention_is_deepseeks(version, q_rank, scaling):
    rope = {"rope_type": "yarn" if scaling else "default", "rope_theta": 10000.0, **scaling}
    if scaling:
        rope["original_max_position_embeddings"] = 16
    sizes = {"hidden_size": WIDTH, "num_attention_heads": 4, "num_key_value_heads": 4, "q_lora_rank": q_rank}
    heads = {
        "kv_lora_rank": 10,
        "qk_nope_head_dim": 6,
        "qk_rope_head_dim": 4,
        "v_head_dim": 5,
        "max_position_embeddings": 64,
    }
    module, config_class = (v2, DeepseekV2Config) if version == "v2" else (v3, DeepseekV3Config)
    own = {} if version == "v2" else {"rope_interleave": version == "v3"}
    config = config_class(**sizes, **heads, **own, rope_parameters=dict(rope), attn_implementation="eager")
    name = "DeepseekV2" if version == "v2" else "DeepseekV3"
    theirs = getattr(module, f"{name}Attention")(config, 0)
    mla = {"kv_rank": 10, "rope_dim": 4, "nope_dim": 6, "v_dim": 5, "norm_eps": 1e-6}
    mla |= {"q_rank": q_rank} if q_rank else {}
    ours = mixer_of(mla=mla, scale=theirs.scaling, rope_interleaved=version != "v3_halves")
    theirs.load_state_dict(ours.state_dict())
    x = inputs()
    embeddings = getattr(module, f"{name}RotaryEmbedding")(config)(x, POSITIONS)
    their_output = theirs(x, attention_mask=causal_mask(), position_embeddings=embeddings)[0]
    assert_same(ours, theirs, {}, run(ours, x, causal_mask(), rope), their_output)


@pytest.mark.parametrize("keys", [{}, {"attention_sinks": {"n_per_head": 2}, "logit_softcap": 3.0}, {"window": 6}])
@torch.no_grad()
def test_decoding_in_latent_space_is_expanding_the_cache(keys, monkeypatch):
    model = build(spec({"d": layer(attention(mla={"kv_rank": 12, "q_rank": 8, "rope_dim": 4}, **keys))}))
    ids, logits, absorbed = tokens(), [], []
    chosen = type(model.model.layers[0].mixer)._absorbs
    for forced in (None, False):
        if forced is not None:
            monkeypatch.setattr(type(model.model.layers[0].mixer), "_absorbs", lambda *args: False)
        cache = model(ids[:, :20], use_cache=True).past_key_values
        parts = [model(ids[:, a:b], past_key_values=cache).logits for a, b in ((20, 21), (21, 26), (26, 27))]
        logits.append(torch.cat(parts, dim=1))
    mixer, latent = model.model.layers[0].mixer, torch.zeros(1, 1, 30, 12)
    for n_queries in (1, 5):
        absorbed.append(chosen(mixer, torch.zeros(1, 4, n_queries, 8), latent, torch.zeros(1, 1, n_queries, 30)))
    assert absorbed == [True, True]
    assert gap(*logits) < CLOSE


@torch.no_grad()
def test_a_latent_cache_keeps_the_latent_and_the_rotated_features_only():
    model = build(spec({"d": layer(attention(mla={"kv_rank": 12, "rope_dim": 4}))}))
    cache = model(tokens(), use_cache=True).past_key_values
    assert [layer.keys.shape[-1] + layer.values.shape[-1] for layer in cache.layers] == [16, 16]


@pytest.mark.parametrize("window", [None, 5])
def test_sinks_are_gpt_oss(window):
    kind = "sliding_attention" if window else "full_attention"
    config = GptOssConfig(
        hidden_size=WIDTH, num_attention_heads=4, num_key_value_heads=2, head_dim=8, num_hidden_layers=1,
        layer_types=[kind], sliding_window=window or 5, attn_implementation="eager",
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    )  # fmt: skip
    keys = {"window": window} if window else {}
    ours = mixer_of(qkv_bias=True, out_bias=True, n_kv_heads=2, attention_sinks={}, **keys)
    theirs = oss.GptOssAttention(config, 0)
    theirs.load_state_dict(ours.state_dict())
    x = inputs()
    embeddings = oss.GptOssRotaryEmbedding(config)(x, POSITIONS)
    their_output = theirs(x, embeddings, causal_mask(window))[0]
    assert_same(ours, theirs, {}, run(ours, x, causal_mask(window)), their_output)


@torch.no_grad()
def test_fixed_sinks_add_one_each_to_the_denominator():
    mixer = mixer_of(attention_sinks={"n_per_head": 3, "learnable": False}, rope=False)
    x = inputs(1)
    heads = [p(x).unflatten(-1, (4, 8)).transpose(1, 2) for p in (mixer.q_proj, mixer.k_proj, mixer.v_proj)]
    scores = (heads[0] @ heads[1].mT * 8**-0.5).exp().tril()
    expected = (scores @ heads[2]) / (scores.sum(-1, keepdim=True) + 3)
    assert gap(run(mixer, x, causal_mask()), mixer.o_proj(expected.transpose(1, 2).flatten(2))) < CLOSE


@torch.no_grad()
def test_rotated_values_depend_on_distances_only():
    mixer = mixer_of(v_from_k=True, rope_dim=4)
    x = inputs(1)
    rotary = RotaryEmbedding(RopeSettings({"rope_type": "default", "rope_theta": 10000.0}, 4, 64))
    mixer.rope.key = "r"
    near, far = (
        mixer(x, {mixer.mask_kind.key: causal_mask()}, {"r": rotary(x, POSITIONS + shift)})[0] for shift in (0, 30)
    )
    assert gap(near, far) < CLOSE


@pytest.mark.parametrize(("window", "dilation"), [(3, 2), (1, 1), (4, None)])
@torch.no_grad()
def test_strided_window_sees_near_tokens_and_every_nth_beyond(window, dilation):
    keys = {} if dilation is None else {"window_dilation": dilation}
    model = build(spec({"d": layer(attention(window=window, window_mode="nsa", **keys))}))
    model.set_attn_implementation("eager")
    weights = model(tokens(length=LENGTH), output_attentions=True).attentions[0]
    distance = torch.arange(LENGTH)[:, None] - torch.arange(LENGTH)
    seen = (distance >= 0) & ((distance < window) | (distance % (window * (dilation or 4)) == 0))
    assert torch.equal((weights > 0).all(dim=1)[0], seen)


@torch.no_grad()
def test_unscaled_layers_keep_plain_positions():
    scaling = {"rope_scaling": {"type": "linear", "factor": 4.0}}
    scaled, plain = (
        build(spec({"d": layer(attention(rope_scaled=flag))}, embedding=scaling)) for flag in (True, False)
    )
    unscaled = build(spec({"d": layer()}))
    ids = tokens()
    assert torch.equal(plain(ids).logits, unscaled(ids).logits)
    assert gap(scaled(ids).logits, unscaled(ids).logits) > 1e-2


def test_a_latent_cache_is_reordered_like_any_other():
    model = build(spec({"d": layer(attention(latent_dim=8))}))
    cache = model(tokens(), use_cache=True).past_key_values
    assert isinstance(cache, EulerStackCache)
    before = cache.layers[0].keys.clone()
    cache.reorder_cache(torch.tensor([1, 0]))
    assert torch.equal(cache.layers[0].keys, before[[1, 0]])


def test_a_single_pair_turns_at_rate_1_under_dynamic_scaling_too():
    lone = {"rope_dim": 2}
    scaled = {"rope_scaling": {"type": "dynamic", "factor": 4.0}}
    model, plain = (
        build(spec({"d": layer(attention(**lone))}, model={"max_seq_len": 16}, embedding=keys)) for keys in (scaled, {})
    )
    assert torch.equal(model(tokens(1)).logits, plain(tokens(1)).logits)
