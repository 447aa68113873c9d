"""`mixer.attention`, with its latents and its compressions."""

from hypothesis import strategies as st

from tests.strategies.choices import HEADS, Draw, Frame, Plain, fractions, positive, sizes, some


@st.composite
def attentions(draw: Draw, frame: Frame) -> Plain:
    """`mixer.attention`."""
    keys = some(
        draw, qkv_bias=st.booleans(), out_bias=st.booleans(), attn_drop=fractions, logit_softcap=positive,
        scale=positive, gate=st.booleans(),
        attention_sinks=st.builds(dict, n_per_head=st.integers(0, 2), learnable=st.booleans()),
    )  # fmt: skip
    if frame.rope:
        turned = [{}, {"rope": True}, {"rope_theta": 500.0}, {"rope_interleaved": True}, {"rope_scaled": False}]
        keys |= draw(st.sampled_from([*turned, {"rope": False}]))
    else:
        keys |= draw(st.sampled_from([{}, {"rope": False}]))
    if frame.own_heads and draw(st.booleans()):
        n_kv = draw(st.sampled_from(HEADS))
        keys |= {
            "n_heads": n_kv * draw(st.integers(1, 3)),
            "n_kv_heads": n_kv,
            "head_dim": draw(st.sampled_from([2, 6])),
        }
    form = draw(
        st.sampled_from(["plain", "window", "dilated", "nsa", "mla", "latent", "compression", "norm", "shared"])
    )
    match form:
        case "window":
            keys |= {"window": draw(sizes)} | draw(st.sampled_from([{}, {"window_mode": "sliding"}]))
        case "dilated" | "nsa":
            keys |= {"window": draw(sizes), "window_mode": form} | some(draw, window_dilation=st.integers(1, 3))
        case "mla":
            keys.pop("n_kv_heads", None)
            keys["mla"] = draw(latents(frame.rope and keys.get("rope") is not False))
        case "latent":
            keys.pop("n_kv_heads", None)
            keys["latent_dim"] = draw(sizes)
        case "compression":
            keys["compression"] = draw(compressions())
            keys |= some(draw, window=sizes)
        case "norm":
            keys["qk_norm"] = draw(st.sampled_from(["head", "full", None]))
            own = {"q_norm_weight": draw(st.booleans()), "qk_norm_unit_offset": draw(st.booleans())}
            keys |= own if keys["qk_norm"] else {}
        case "shared":
            keys["v_from_k"] = True
    if form not in ("mla", "latent"):
        keys |= some(draw, q_rank=sizes) | draw(st.sampled_from([{}, {"o_groups": 1, "o_rank": 5}]))
        keys |= some(draw, rope_dim=st.just(2)) if frame.rope and keys.get("rope") is not False else {}
    return keys


@st.composite
def latents(draw: Draw, rope: bool) -> Plain:
    """`mixer.attention.mla`."""
    keys = {"kv_rank": draw(sizes)} | some(draw, q_rank=sizes, nope_dim=sizes, v_dim=sizes, norm_eps=positive)
    return keys | (some(draw, rope_dim=st.sampled_from([0, 2, 4])) if rope else {})


@st.composite
def compressions(draw: Draw) -> Plain:
    """`mixer.attention.compression`."""
    kind = draw(st.sampled_from(["csa", "hca", "nsa_learned"]))
    keys = {"type": kind, "m_block": draw(sizes)}
    keys |= some(draw, pool=st.sampled_from(["softmax_gated", "mean", "max", "learned_pool"]))
    if kind != "hca":
        keys["indexer"] = {
            "arch": draw(st.sampled_from(["relu_mha", "dot_product", "learned_block_sel"])),
            "n_heads": draw(sizes),
            "d_per_head": draw(sizes),
        } | some(
            draw, dtype=st.sampled_from(["fp4", "fp8", "bf16", "fp32"]), learnable=st.booleans(), loss_coef=positive
        )
        keys["top_k_blocks"] = draw(sizes)
    return keys
