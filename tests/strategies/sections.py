"""The root's other sections."""

from collections.abc import Iterator

from hypothesis import strategies as st

from tests.strategies.choices import HEADS, Draw, Frame, Plain, fractions, positive, sizes, some, words
from tests.strategies.mixers import RECURRENT


@st.composite
def models(draw: Draw, frame: Frame) -> Plain:
    """`model`."""
    keys = {
        "name": draw(words),
        "d_model": frame.d_model,
        "vocab_size": draw(st.sampled_from([300, 512])),
        "max_seq_len": draw(st.sampled_from([64, 128])),
        "n_heads": frame.n_heads,
    }
    return keys | some(
        draw, n_kv_heads=st.sampled_from([n for n in HEADS if frame.n_heads % n == 0]),
        mlp_ratio=st.sampled_from([2, 2.5]), d_ff=sizes, norm_eps=st.just(1e-6), family_hint=words,
        dtype=st.sampled_from(["float32", "float16", "bfloat16"]), target_params=st.sampled_from([1000, "1.1B"]),
    )  # fmt: skip


@st.composite
def embeddings(draw: Draw, positional: str, pairs: int) -> Plain:
    """`embedding`; a head has `pairs` rotated pairs."""
    keys = {"type": "learned", "positional": positional}
    keys |= some(
        draw,
        tie_word_embeddings=st.booleans(),
        train_padding=st.booleans(),
        scale=positive,
        d_embed=st.just(8),
        dropout=fractions,
    )
    if positional == "rope":
        keys |= some(draw, rope_theta=st.sampled_from([500, 1e6]), rope_scaling=rope_scalings(pairs))
    return keys


@st.composite
def rope_scalings(draw: Draw, pairs: int) -> Plain:
    """`embedding.rope_scaling`."""
    kind = draw(st.sampled_from(["linear", "dynamic", "yarn", "llama3", "longrope"]))
    keys = {"type": kind} | some(draw, factor=st.sampled_from([1.0, 4.0]))
    original = {"original_max_seq_len": st.just(64)}
    match kind:
        case "yarn":
            keys |= some(draw, **original, attention_factor=positive, beta_fast=st.just(32), beta_slow=st.just(1.5))
            keys |= some(draw, mscale=positive, mscale_all_dim=positive, truncate=st.booleans())
        case "llama3":
            keys |= {"low_freq_factor": 1.0, "high_freq_factor": 4.0} | some(draw, **original)
        case "longrope":
            keys |= {"short_factor": [1.0] * pairs, "long_factor": [2.5] * pairs} | some(draw, **original)
    return keys


@st.composite
def tokenizers(draw: Draw) -> Plain:
    """`tokenizer_contract`."""
    keys = draw(st.sampled_from([{"type": "byte"}, {"type": "hf", "pretrained": "some/name"}]))
    return keys | some(draw, add_bos=st.booleans(), add_eos=st.booleans(), pad_token=st.just("<pad>"))


@st.composite
def heads(draw: Draw, pool: dict[str, Plain]) -> Plain:
    """`head`."""
    keys = some(
        draw, tie_weights=st.booleans(), logit_softcap=positive, logit_scale=positive,
        final_norm=st.builds(
            dict, type=st.sampled_from(["rmsnorm", "layernorm", "none"]), eps=st.sampled_from([1e-6, 0.1])
        ) | st.just({"type": "none"}),
    )  # fmt: skip
    if keys.get("final_norm", {}).get("type") == "none":
        keys["final_norm"] = {"type": "none"}
    if draw(st.booleans()):
        return {"type": "causal_lm"} | keys
    mtp = {"head_template": draw(st.sampled_from(sorted(pool)))}
    mtp |= some(draw, n_predict=st.integers(1, 3), head_layers=st.integers(1, 2), train_loss_weight=fractions)
    return {"type": "causal_lm_mtp", "mtp": mtp} | keys


def _mixers(pool: dict[str, Plain]) -> Iterator[Plain]:
    """All mixers, branches included."""
    for template in pool.values():
        yield template["mixer"]
        yield from template["mixer"].get("branched", {}).get("branches", {}).values()


def _keeps_a_state(pool: dict[str, Plain]) -> bool:
    """Whether something keeps of its past what cannot be taken back: a state, a memory, blocks of keys kept as one."""
    return any("memory" in template for template in pool.values()) or any(
        mixer["type"] in RECURRENT or "compression" in mixer.get("attention", {}) for mixer in _mixers(pool)
    )


@st.composite
def phases(draw: Draw, pool: dict[str, Plain]) -> Plain:
    """`execution_modes` and `transition`."""
    hidden = st.just(True) if _keeps_a_state(pool) else st.booleans()
    modes = [
        {"name": name, "max_tokens": draw(st.integers(1, 30))}
        | some(
            draw,
            kv_share=hidden,
            loss_weight=positive,
            visible_to_user=st.booleans(),
            per_token_rationale=st.booleans(),
        )
        for name in ("think", "answer")
    ]
    transition = st.sampled_from([{"type": "special_token", "token": "</think>"}, {"type": "budget_exhausted"}])
    return {"execution_modes": modes} | some(draw, transition=transition)


@st.composite
def tissues(draw: Draw, pool: dict[str, Plain]) -> Plain:
    """`tissue`."""
    names = draw(st.permutations(sorted(pool)))
    cut = draw(st.integers(1, len(names)))
    columns = [{"name": "first", "templates": names[:cut]} | some(draw, role=words)]
    if names[cut:]:
        columns.append({"name": "second", "templates": names[cut:]})
    edges = st.sampled_from(["ring", "chain", "all_to_all"]) if len(columns) > 1 else st.just("none")
    tissue = {"columns": columns, "connectivity": draw(edges)}
    return tissue | (some(draw, lateral_coef=fractions) if len(columns) > 1 else {})


@st.composite
def abouts(draw: Draw) -> Plain:
    """`about`."""
    lists = st.lists(words, max_size=2)
    return some(
        draw,
        tier=st.integers(1, 3),
        level=st.sampled_from(["beginner", "expert"]),
        papers=lists,
        summary=words,
        mirrors=words,
        speculative=st.booleans(),
        warnings=lists,
    )
