"""`training_hints` and `compatibility`."""

from hypothesis import strategies as st

from tests.strategies.choices import Draw, Plain, fractions, positive, sizes, some


@st.composite
def training_hints(draw: Draw) -> Plain:
    """`training_hints`."""
    keys = some(
        draw, init=st.sampled_from(["normal_0.02", "scaled", "xavier", "small"]), dropout=fractions,
        checkpointing=st.booleans(), seed=sizes, router_aux_loss_coef=fractions, lr_peak=st.sampled_from([1e-4, 3e-3]),
        lr_floor_ratio=fractions, betas=st.just([0.9, 0.999]), weight_decay=fractions, grad_clip=positive,
        warmup_steps_ratio=fractions, router_lr_multiplier=positive,
        scaling=st.sampled_from([{"parametrization": "standard"}, {"parametrization": "mup", "base_width": 16}]),
        differentiation_objectives=st.builds(
            dict,
            usage_probe_coef=fractions,
            router_mutual_information_coef=fractions,
            expert_orthogonality_coef=fractions,
        ),
        init_std=st.sampled_from([0.02, 0.1]),
    )  # fmt: skip
    if draw(st.booleans()):
        keys["optimizer"] = draw(st.sampled_from(["muon", "hybrid"]))
        keys |= some(
            draw,
            muon=muons(),
            optimizer_groups=st.just({"muon": ["*.mixer.*"], "adamw": ["*"]}),
        )
    return keys


@st.composite
def muons(draw: Draw) -> Plain:
    """`training_hints.muon`."""
    coefficients = st.just([2.0, -1.5, 0.5])
    return some(draw, ns_iters=sizes, ns_coefs=coefficients, stabilize_iters=sizes, stabilize_coefs=coefficients)


@st.composite
def compatibilities(draw: Draw) -> Plain:
    """`compatibility`."""
    quant = {"enabled": True, "dtype": "int8", "scope": ["*.ffn.*"], "dequant_to": "bf16"}
    return some(
        draw, compile_target=st.just("huggingface"),
        dtype_policy=st.sampled_from(["uniform", "layered_safe"]),
        quant_aware_training=st.sampled_from([quant, {"enabled": False}]),
    )  # fmt: skip
