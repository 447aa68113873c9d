"""`mixer`: every type, and branches of them."""

from hypothesis import strategies as st

from tests.strategies.attention import attentions
from tests.strategies.choices import HEADS, Draw, Frame, Plain, fractions, sizes, some

SINGLE_MIXERS = ("attention", "mamba", "retnet", "hyena", "ttt_layer", "gated_deltanet")
RECURRENT = frozenset(SINGLE_MIXERS[1:])


@st.composite
def mambas(draw: Draw, frame: Frame) -> Plain:
    """`mixer.mamba`."""
    keys = some(
        draw,
        d_state=sizes,
        d_conv=st.integers(1, 5),
        in_bias=st.booleans(),
        out_bias=st.booleans(),
        conv_bias=st.booleans(),
        activation=st.sampled_from(["silu", "gelu", "gelu_tanh", "relu", "relu2"]),
    )
    keys |= draw(st.sampled_from([{}, {"expand": 1}, {"expand": 3}, {"d_inner": 16}, {"d_inner": 48}]))
    if draw(st.booleans()):
        return keys | {"variant": "mamba1"} | some(draw, dt_rank=sizes, norm_dt_b_c=st.booleans())
    return (
        keys
        | {"head_dim": draw(st.sampled_from([2, 4, 8]))}
        | some(
            draw,
            n_groups=st.integers(1, 2),
            chunk_size=sizes,
            dt_min=st.sampled_from([0.0, 0.01]),
            dt_max=st.sampled_from([0.01, 10.0]),
            gated_norm=st.sampled_from(["after", "before", "none"]),
            multipliers=st.fixed_dictionaries(
                {}, optional={name: st.floats(0.5, 2) for name in ("gate", "input", "b", "c", "dt")}
            ),
        )
    )


@st.composite
def single_mixers(draw: Draw, frame: Frame, types: tuple[str, ...] = SINGLE_MIXERS) -> Plain:
    """A mixer that is not branched."""
    kind = draw(st.sampled_from(types))
    match kind:
        case "attention":
            return {"type": kind, "attention": draw(attentions(frame))}
        case "mamba":
            return {"type": kind, "mamba": draw(mambas(frame))}
        case "retnet":
            keys = some(draw, chunkwise=st.booleans(), chunk_size=sizes, rope=st.booleans(), v_expand=st.integers(1, 3))
        case "hyena":
            keys = some(draw, depth=st.integers(2, 4), filter_hidden=sizes, filter_decay=fractions)
        case "ttt_layer":
            inner = draw(st.sampled_from([{"type": "linear"}, {"type": "mlp"}, {"type": "mlp", "hidden": 9}]))
            keys = {"inner_model": inner} | some(
                draw, inner_optimizer=st.sampled_from(["sgd", "adamw"]), inner_lr=st.sampled_from([0.001, 0.5]),
                inner_steps_per_token=st.integers(1, 3), chunk_size=sizes, n_heads=st.sampled_from(HEADS),
            )  # fmt: skip
            return {"type": kind, "ttt": keys}
        case _:
            n_heads, shared_by = draw(st.integers(1, 3)), draw(st.integers(1, 3))
            written = [{}, {"n_heads": n_heads}, {"n_heads": n_heads, "n_value_heads": n_heads * shared_by}]
            keys = draw(st.sampled_from(written))
            keys |= some(draw, d_key=sizes, d_value=sizes, d_conv=st.integers(1, 4), chunk_size=sizes)
    return {"type": kind} | ({kind: keys} if keys or draw(st.booleans()) else {})


@st.composite
def mixers(draw: Draw, frame: Frame) -> Plain:
    """`mixer`."""
    if draw(st.integers(0, 7)):
        return draw(single_mixers(frame))
    names = draw(st.lists(st.sampled_from(["a", "b2", "wide"]), min_size=2, max_size=3, unique=True))
    branched: Plain = {"branches": {name: draw(single_mixers(frame)) for name in names}}
    if draw(st.booleans()):
        selector = draw(st.sampled_from([{"type": "learned_gate"}, {"type": "top_k"}, {"type": "top_k", "top_k": 2}]))
        branched["selector"] = selector | some(draw, input=st.sampled_from(["hidden", "embedding"]))
    elif draw(st.booleans()):
        branched["selector"] = {"type": "sum"}
        branched["factors"] = {names[0]: {"input": draw(st.floats(0.5, 2)), "output": draw(st.floats(0.5, 2))}}
    return {"type": "branched", "branched": branched}
