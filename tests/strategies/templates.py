"""`layer_templates`: a mixer, a feed-forward, and what stands around them."""

from hypothesis import strategies as st

from tests.strategies.choices import ACTIVATIONS, NORMS, POSITIONS, Draw, Frame, Plain, fractions, positive, sizes, some
from tests.strategies.mixers import mixers


@st.composite
def ffns(draw: Draw) -> Plain:
    """`ffn`."""
    kind = draw(st.sampled_from(["mlp", "gated_mlp", "moe", "none"]))
    if kind == "none":
        return {"type": kind}
    keys = {"type": kind} | some(draw, activation=st.sampled_from(ACTIVATIONS), bias=st.booleans(), d_ff=sizes)
    return keys | ({"moe": draw(moes(keys.get("activation", "swiglu")))} if kind == "moe" else {})


@st.composite
def moes(draw: Draw, activation: str = "swiglu") -> Plain:
    """`ffn.moe`."""
    experts = draw(st.sampled_from([1, 4, 8]))
    keys = {"experts": experts, "top_k": draw(st.integers(1, min(experts, 3)))}
    keys |= some(
        draw, affinity=st.sampled_from(["softmax", "sigmoid", "sqrt_softplus"]), z_loss=fractions,
        load_balance_coef=fractions, capacity_factor=positive,
        capacity_drop_policy=st.sampled_from(["overflow", "drop", "pad"]), router_init_std=positive,
        router_jitter=fractions, router_bias=st.booleans(), d_expert=sizes, routed_scale=positive,
        norm_top_k=st.booleans(), gated=st.just(True),
    )  # fmt: skip
    if "gated" in keys:
        slopes = positive if activation in ("swiglu", "silu") else st.just(1.0)
        keys |= some(draw, gating=st.builds(dict, limit=positive, slope=slopes, up_offset=st.sampled_from([0.0, 1.0])))
    if draw(st.booleans()):
        keys |= {"shared_experts": draw(st.integers(1, 2))} | some(draw, d_shared=sizes, shared_gate=st.booleans())
    if draw(st.booleans()):
        keys["routing"] = {"type": "hash", "hash_salt": draw(sizes)}
    else:
        corrections = st.builds(dict, enabled=st.booleans(), update_rate=fractions, target_imbalance=fractions)
        keys |= some(draw, bias_correction=corrections)
    if experts == 8 and draw(st.booleans()):
        keys |= {"n_groups": 2, "balance": {"sequence_aux_coef": 0.1, "group_limit": draw(st.integers(1, 2))}}
        keys["balance"] |= some(draw, group_score=st.sampled_from(["top2", "max"]))
    return keys


@st.composite
def templates(draw: Draw, frame: Frame) -> Plain:
    """One entry of `layer_templates`, without shape_change."""
    template = {"mixer": draw(mixers(frame)), "ffn": draw(ffns())}
    if template["ffn"]["type"] == "gated_mlp" and draw(st.booleans()):
        template["ffn_factors"] = some(draw, gate=positive, output=positive)
    if draw(st.booleans()):
        template["norm"] = some(
            draw, type=st.sampled_from(NORMS), position=st.sampled_from(POSITIONS), eps=st.sampled_from([1e-6, 0.1]),
            unit_offset=st.booleans(), affine=st.booleans(),
        )  # fmt: skip
        if template["norm"].get("affine") is False:
            template["norm"].pop("unit_offset", None)
    kinds = ["sequential", "hyper_connection"] + (["parallel"] if template["ffn"]["type"] != "none" else [])
    kind = draw(st.sampled_from([None, *kinds]))
    if kind:
        template["residual"] = {"type": kind} | some(draw, scaling=positive)
    if kind == "hyper_connection":
        template["residual"]["hyper"] = {"expand": draw(st.integers(1, 4))} | some(
            draw, mixing=st.sampled_from(["birkhoff", "unconstrained", "learned_lowrank"]), sinkhorn_iters=sizes
        )
    asserted = {"attention": "kv_cache", "mamba": "ssm_state"}.get(template["mixer"]["type"])
    if asserted:
        template |= some(draw, state=st.just({asserted: True}))
    template |= some(draw, memory=memories())
    return template


@st.composite
def memories(draw: Draw) -> Plain:
    """`memory`."""
    return {"type": draw(st.sampled_from(["neural_memory", "associative", "retrieval"]))} | some(
        draw, update_at_inference=st.booleans(), params=st.builds(dict, hidden=sizes), inner_lr=positive,
        persistence=st.sampled_from(["per_query", "session", "persistent"]),
    )  # fmt: skip
