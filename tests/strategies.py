"""Hypothesis strategies for valid specs over the whole language, as plain mappings that an author could have written.

`specs()` draws a spec; `as_text` writes it as YAML. Sizes are tiny and multiples of 16, so that every mixer's heads
divide at every width.
"""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from eulerstack.ir.yaml_text import dump

Plain = dict[str, Any]
Draw = Any

WIDTHS = (16, 32, 48)
HEADS = (1, 2, 4)
ACTIVATIONS = ("swiglu", "geglu", "silu", "gelu", "gelu_tanh", "relu", "relu2")
NORMS = ("rmsnorm", "layernorm")
POSITIONS = ("pre", "post", "sandwich", "output")
SINGLE_MIXERS = ("attention", "mamba", "retnet", "hyena", "ttt_layer", "gated_deltanet")
RECURRENT = frozenset(SINGLE_MIXERS[1:])

sizes = st.integers(1, 40)
fractions = st.sampled_from([0.0, 0.1, 0.25])
positive = st.sampled_from([0.01, 0.5, 1.0, 3.0])
words = st.sampled_from(["alpha", "beta", "on", "1e-5", "ㄱ 말", 'a "b": #c', "true"])


def as_text(spec: Plain) -> str:
    """The spec as YAML."""
    return dump(spec)


@dataclass(frozen=True)
class Frame:
    """What the parts of one spec must agree on."""

    d_model: int
    n_heads: int
    positional: str
    own_heads: bool

    @property
    def rope(self) -> bool:
        """Whether positions are RoPE's."""
        return self.positional == "rope"


def _some(draw: Draw, **choices: Any) -> Plain:
    """Some of the keys, each with a value drawn from its strategy."""
    return {key: draw(strategy) for key, strategy in choices.items() if draw(st.booleans())}


@st.composite
def attentions(draw: Draw, frame: Frame) -> Plain:
    """`mixer.attention`."""
    keys = _some(
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
            keys |= {"window": draw(sizes), "window_mode": form} | _some(draw, window_dilation=st.integers(1, 3))
        case "mla":
            keys.pop("n_kv_heads", None)
            keys["mla"] = draw(latents(frame.rope and keys.get("rope") is not False))
        case "latent":
            keys.pop("n_kv_heads", None)
            keys["latent_dim"] = draw(sizes)
        case "compression":
            keys["compression"] = draw(compressions())
            keys |= _some(draw, window=sizes)
        case "norm":
            keys["qk_norm"] = draw(st.sampled_from(["head", "full", None]))
            own = {"q_norm_weight": draw(st.booleans()), "qk_norm_unit_offset": draw(st.booleans())}
            keys |= own if keys["qk_norm"] else {}
        case "shared":
            keys["v_from_k"] = True
    if form not in ("mla", "latent"):
        keys |= _some(draw, q_rank=sizes) | draw(st.sampled_from([{}, {"o_groups": 1, "o_rank": 5}]))
        keys |= _some(draw, rope_dim=st.just(2)) if frame.rope and keys.get("rope") is not False else {}
    return keys


@st.composite
def latents(draw: Draw, rope: bool) -> Plain:
    """`mixer.attention.mla`."""
    keys = {"kv_rank": draw(sizes)} | _some(draw, q_rank=sizes, nope_dim=sizes, v_dim=sizes, norm_eps=positive)
    return keys | (_some(draw, rope_dim=st.sampled_from([0, 2, 4])) if rope else {})


@st.composite
def compressions(draw: Draw) -> Plain:
    """`mixer.attention.compression`."""
    kind = draw(st.sampled_from(["csa", "hca", "nsa_learned"]))
    keys = {"type": kind, "m_block": draw(sizes)}
    keys |= _some(draw, pool=st.sampled_from(["softmax_gated", "mean", "max", "learned_pool"]))
    if kind != "hca":
        keys["indexer"] = {
            "arch": draw(st.sampled_from(["relu_mha", "dot_product", "learned_block_sel"])),
            "n_heads": draw(sizes),
            "d_per_head": draw(sizes),
        } | _some(
            draw, dtype=st.sampled_from(["fp4", "fp8", "bf16", "fp32"]), learnable=st.booleans(), loss_coef=positive
        )
        keys["top_k_blocks"] = draw(sizes)
    return keys


@st.composite
def mambas(draw: Draw, frame: Frame) -> Plain:
    """`mixer.mamba`."""
    keys = _some(
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
        return keys | {"variant": "mamba1"} | _some(draw, dt_rank=sizes, norm_dt_b_c=st.booleans())
    return (
        keys
        | {"head_dim": draw(st.sampled_from([2, 4, 8]))}
        | _some(
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
            keys = _some(
                draw, chunkwise=st.booleans(), chunk_size=sizes, rope=st.booleans(), v_expand=st.integers(1, 3)
            )
        case "hyena":
            keys = _some(draw, depth=st.integers(2, 4), filter_hidden=sizes, filter_decay=fractions)
        case "ttt_layer":
            inner = draw(st.sampled_from([{"type": "linear"}, {"type": "mlp"}, {"type": "mlp", "hidden": 9}]))
            keys = {"inner_model": inner} | _some(
                draw, inner_optimizer=st.sampled_from(["sgd", "adamw"]), inner_lr=st.sampled_from([0.001, 0.5]),
                inner_steps_per_token=st.integers(1, 3), chunk_size=sizes, n_heads=st.sampled_from(HEADS),
            )  # fmt: skip
            return {"type": kind, "ttt": keys}
        case _:
            n_heads, shared_by = draw(st.integers(1, 3)), draw(st.integers(1, 3))
            written = [{}, {"n_heads": n_heads}, {"n_heads": n_heads, "n_value_heads": n_heads * shared_by}]
            keys = draw(st.sampled_from(written))
            keys |= _some(draw, d_key=sizes, d_value=sizes, d_conv=st.integers(1, 4), chunk_size=sizes)
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
        branched["selector"] = selector | _some(draw, input=st.sampled_from(["hidden", "embedding"]))
    elif draw(st.booleans()):
        branched["selector"] = {"type": "sum"}
        branched["factors"] = {names[0]: {"input": draw(st.floats(0.5, 2)), "output": draw(st.floats(0.5, 2))}}
    return {"type": "branched", "branched": branched}


@st.composite
def ffns(draw: Draw) -> Plain:
    """`ffn`."""
    kind = draw(st.sampled_from(["mlp", "gated_mlp", "moe", "none"]))
    if kind == "none":
        return {"type": kind}
    keys = {"type": kind} | _some(draw, activation=st.sampled_from(ACTIVATIONS), bias=st.booleans(), d_ff=sizes)
    return keys | ({"moe": draw(moes(keys.get("activation", "swiglu")))} if kind == "moe" else {})


@st.composite
def moes(draw: Draw, activation: str = "swiglu") -> Plain:
    """`ffn.moe`."""
    experts = draw(st.sampled_from([1, 4, 8]))
    keys = {"experts": experts, "top_k": draw(st.integers(1, min(experts, 3)))}
    keys |= _some(
        draw, affinity=st.sampled_from(["softmax", "sigmoid", "sqrt_softplus"]), z_loss=fractions,
        load_balance_coef=fractions, capacity_factor=positive,
        capacity_drop_policy=st.sampled_from(["overflow", "drop", "pad"]), router_init_std=positive,
        router_jitter=fractions, router_bias=st.booleans(), d_expert=sizes, routed_scale=positive,
        norm_top_k=st.booleans(), gated=st.just(True),
    )  # fmt: skip
    if "gated" in keys:
        slopes = positive if activation in ("swiglu", "silu") else st.just(1.0)
        keys |= _some(draw, gating=st.builds(dict, limit=positive, slope=slopes, up_offset=st.sampled_from([0.0, 1.0])))
    if draw(st.booleans()):
        keys |= {"shared_experts": draw(st.integers(1, 2))} | _some(draw, d_shared=sizes, shared_gate=st.booleans())
    if draw(st.booleans()):
        keys["routing"] = {"type": "hash", "hash_salt": draw(sizes)}
    else:
        corrections = st.builds(dict, enabled=st.booleans(), update_rate=fractions, target_imbalance=fractions)
        keys |= _some(draw, bias_correction=corrections)
    if experts == 8 and draw(st.booleans()):
        keys |= {"n_groups": 2, "balance": {"sequence_aux_coef": 0.1, "group_limit": draw(st.integers(1, 2))}}
        keys["balance"] |= _some(draw, group_score=st.sampled_from(["top2", "max"]))
    return keys


@st.composite
def templates(draw: Draw, frame: Frame) -> Plain:
    """One entry of `layer_templates`, without shape_change."""
    template = {"mixer": draw(mixers(frame)), "ffn": draw(ffns())}
    if template["ffn"]["type"] == "gated_mlp" and draw(st.booleans()):
        template["ffn_factors"] = _some(draw, gate=positive, output=positive)
    if draw(st.booleans()):
        template["norm"] = _some(
            draw, type=st.sampled_from(NORMS), position=st.sampled_from(POSITIONS), eps=st.sampled_from([1e-6, 0.1]),
            unit_offset=st.booleans(), affine=st.booleans(),
        )  # fmt: skip
        if template["norm"].get("affine") is False:
            template["norm"].pop("unit_offset", None)
    kinds = ["sequential", "hyper_connection"] + (["parallel"] if template["ffn"]["type"] != "none" else [])
    kind = draw(st.sampled_from([None, *kinds]))
    if kind:
        template["residual"] = {"type": kind} | _some(draw, scaling=positive)
    if kind == "hyper_connection":
        template["residual"]["hyper"] = {"expand": draw(st.integers(1, 4))} | _some(
            draw, mixing=st.sampled_from(["birkhoff", "unconstrained", "learned_lowrank"]), sinkhorn_iters=sizes
        )
    asserted = {"attention": "kv_cache", "mamba": "ssm_state"}.get(template["mixer"]["type"])
    if asserted:
        template |= _some(draw, state=st.just({asserted: True}))
    template |= _some(draw, memory=memories())
    return template


@st.composite
def memories(draw: Draw) -> Plain:
    """`memory`."""
    return {"type": draw(st.sampled_from(["neural_memory", "associative", "retrieval"]))} | _some(
        draw, update_at_inference=st.booleans(), params=st.builds(dict, hidden=sizes), inner_lr=positive,
        persistence=st.sampled_from(["per_query", "session", "persistent"]),
    )  # fmt: skip


@st.composite
def overrides(draw: Draw, template: Plain) -> Plain:
    """`override`, of what the template has."""
    choices = {
        "residual.scaling": positive,
        "norm.type": st.sampled_from(NORMS),
        "norm.position": st.sampled_from(POSITIONS),
    }
    attention = template["mixer"].get("attention")
    if attention is not None:
        choices["attention.attn_drop"] = fractions
        if "window" in attention or not attention.keys() & {"window_mode", "compression"}:
            choices["attention.window"] = sizes
    if template["ffn"]["type"] != "none":
        choices["ffn.activation"] = st.sampled_from(ACTIVATIONS)
    keys = draw(st.sets(st.sampled_from(sorted(choices)), min_size=1))
    return {key: draw(choices[key]) for key in sorted(keys)}


@st.composite
def plain_entries(draw: Draw, pool: dict[str, Plain]) -> Plain:
    """A schedule entry that repeats a template."""
    name = draw(st.sampled_from(sorted(pool)))
    entry = {"template": name} | _some(draw, repeat=st.integers(1, 4))
    if draw(st.booleans()):
        entry["override"] = draw(overrides(pool[name]))
    if not draw(st.integers(0, 3)):
        entry["depth_gating"] = _some(
            draw, enabled=st.booleans(), capacity=st.sampled_from([0.25, 0.5]),
            router=st.sampled_from(["top_k", "learned_gate"]),
        )  # fmt: skip
    return entry


@st.composite
def shared_entries(draw: Draw, pool: dict[str, Plain]) -> Plain:
    """A schedule entry whose layers are one module, the same wherever its tag stands."""
    name = draw(st.sampled_from(sorted(pool)))
    return {"template": name, "share": f"all-{name}"} | _some(draw, repeat=st.integers(1, 4))


@st.composite
def kv_entries(draw: Draw, pool: dict[str, Plain]) -> list[Plain]:
    """A layer, and layers that attend to its keys and values."""
    plain = [
        name
        for name, template in pool.items()
        if template["mixer"]["type"] == "attention"
        and not template["mixer"].get("attention", {}).keys() & {"mla", "latent_dim", "compression"}
    ]
    if not plain:
        return []
    name = draw(st.sampled_from(sorted(plain)))
    return [{"template": name}, {"template": name, "kv_from": -1, "repeat": draw(st.integers(1, 3))}]


@st.composite
def parallels(draw: Draw, pool: dict[str, Plain]) -> Plain:
    """A parallel entry."""
    kind = draw(st.sampled_from([None, "concat", "add", "gated", "cross_attn"]))
    names = ["left", "right"] + (["third"] if kind != "cross_attn" and draw(st.booleans()) else [])
    bodies = st.lists(plain_entries(pool), min_size=1, max_size=2)
    entry: Plain = {"parallel": [{"stream": name, "body": draw(bodies)} for name in names]}
    if kind:
        entry["merge"] = {"type": kind}
    if kind == "cross_attn":
        entry["merge"] |= {"from": "right", "to": "left"}
    if kind in ("add", "gated", "cross_attn"):
        entry["merge"] |= _some(draw, projection=st.booleans())
    return entry


@st.composite
def integrators(draw: Draw, pool: dict[str, Plain]) -> Plain:
    """An integrator entry."""
    body = st.sampled_from(sorted(pool)) | st.lists(plain_entries(pool), min_size=1, max_size=2)
    return {
        "integrator": {
            "type": draw(st.sampled_from(["discrete", "ode_euler", "ode_rk4"])),
            "steps": draw(st.integers(1, 4)),
            "body": draw(body),
        }
        | _some(draw, output=st.sampled_from(["token", "hidden"]))
    }


@st.composite
def schedules(draw: Draw, pool: dict[str, Plain], waist: tuple[str, str] | None, deep: int = 2) -> list[Plain]:
    """`layer_schedule`, or the inside of a group. `waist`: templates that narrow the stream and widen it again."""
    entries: list[Plain] = []
    for _ in range(draw(st.integers(1, 3))):
        match draw(st.sampled_from(["plain", "plain", "shared", "kv", "parallel", "integrator", "group", "waist"])):
            case "plain":
                entries.append(draw(plain_entries(pool)))
            case "shared":
                entries.append(draw(shared_entries(pool)))
            case "kv":
                entries += draw(kv_entries(pool))
            case "parallel":
                entries.append(draw(parallels(pool)))
            case "integrator":
                entries.append(draw(integrators(pool)))
            case "group" if deep:
                inner = draw(schedules(pool, waist, deep - 1))
                entries.append({"group": inner} | _some(draw, repeat=st.integers(1, 3)))
            case "waist" if waist:
                inner = draw(st.lists(plain_entries(pool), max_size=2))
                entries += [{"template": waist[0]}, *inner, {"template": waist[1]}]
    return entries or [draw(plain_entries(pool))]


@st.composite
def embeddings(draw: Draw, positional: str, pairs: int) -> Plain:
    """`embedding`; a head has `pairs` rotated pairs."""
    keys = {"type": "learned", "positional": positional}
    keys |= _some(
        draw,
        tie_word_embeddings=st.booleans(),
        train_padding=st.booleans(),
        scale=positive,
        d_embed=st.just(8),
        dropout=fractions,
    )
    if positional == "rope":
        keys |= _some(draw, rope_theta=st.sampled_from([500, 1e6]), rope_scaling=rope_scalings(pairs))
    return keys


@st.composite
def rope_scalings(draw: Draw, pairs: int) -> Plain:
    """`embedding.rope_scaling`."""
    kind = draw(st.sampled_from(["linear", "dynamic", "yarn", "llama3", "longrope"]))
    keys = {"type": kind} | _some(draw, factor=st.sampled_from([1.0, 4.0]))
    original = {"original_max_seq_len": st.just(64)}
    match kind:
        case "yarn":
            keys |= _some(draw, **original, attention_factor=positive, beta_fast=st.just(32), beta_slow=st.just(1.5))
            keys |= _some(draw, mscale=positive, mscale_all_dim=positive, truncate=st.booleans())
        case "llama3":
            keys |= {"low_freq_factor": 1.0, "high_freq_factor": 4.0} | _some(draw, **original)
        case "longrope":
            keys |= {"short_factor": [1.0] * pairs, "long_factor": [2.5] * pairs} | _some(draw, **original)
    return keys


@st.composite
def heads(draw: Draw, pool: dict[str, Plain]) -> Plain:
    """`head`."""
    keys = _some(
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
    mtp |= _some(draw, n_predict=st.integers(1, 3), head_layers=st.integers(1, 2), train_loss_weight=fractions)
    return {"type": "causal_lm_mtp", "mtp": mtp} | keys


@st.composite
def training_hints(draw: Draw) -> Plain:
    """`training_hints`."""
    keys = _some(
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
        keys |= _some(
            draw,
            muon=muons(),
            optimizer_groups=st.just({"muon": ["*.mixer.*"], "adamw": ["*"]}),
        )
    return keys


def _types(pool: dict[str, Plain]) -> set[str]:
    """The types of all mixers, branches included."""
    mixed = [template["mixer"] for template in pool.values()]
    return {
        part["type"] for mixer in mixed for part in (mixer, *mixer.get("branched", {}).get("branches", {}).values())
    }


def _compresses(pool: dict[str, Plain]) -> bool:
    """Whether some attention, branches included, keeps blocks of keys as one."""
    mixed = [template["mixer"] for template in pool.values()]
    each = [part for mixer in mixed for part in (mixer, *mixer.get("branched", {}).get("branches", {}).values())]
    return any("compression" in part.get("attention", {}) for part in each)


@st.composite
def phases(draw: Draw, pool: dict[str, Plain]) -> Plain:
    """`execution_modes` and `transition`."""
    recurrent = _types(pool) & RECURRENT or any("memory" in template for template in pool.values()) or _compresses(pool)
    hidden = st.just(True) if recurrent else st.booleans()
    modes = [
        {"name": name, "max_tokens": draw(st.integers(1, 30))}
        | _some(
            draw,
            kv_share=hidden,
            loss_weight=positive,
            visible_to_user=st.booleans(),
            per_token_rationale=st.booleans(),
        )
        for name in ("think", "answer")
    ]
    transition = st.sampled_from([{"type": "special_token", "token": "</think>"}, {"type": "budget_exhausted"}])
    return {"execution_modes": modes} | _some(draw, transition=transition)


@st.composite
def tissues(draw: Draw, pool: dict[str, Plain]) -> Plain:
    """`tissue`."""
    names = draw(st.permutations(sorted(pool)))
    cut = draw(st.integers(1, len(names)))
    columns = [{"name": "first", "templates": names[:cut]} | _some(draw, role=words)]
    if names[cut:]:
        columns.append({"name": "second", "templates": names[cut:]})
    edges = st.sampled_from(["ring", "chain", "all_to_all"]) if len(columns) > 1 else st.just("none")
    tissue = {"columns": columns, "connectivity": draw(edges)}
    return tissue | (_some(draw, lateral_coef=fractions) if len(columns) > 1 else {})


@st.composite
def reserved(draw: Draw, spec: Plain) -> None:
    """Keys that nobody reads, in several places of the spec."""
    places = [spec, spec["model"], spec["layer_schedule"][0], *spec["layer_templates"].values()]
    for place in draw(st.lists(st.sampled_from(places), max_size=3)):
        place[draw(st.sampled_from(["experimental.x", "future.a.b", "vendor.lab.note"]))] = draw(words)


@st.composite
def specs(draw: Draw) -> Plain:
    """A whole valid spec."""
    d_model, n_heads = draw(st.sampled_from(WIDTHS)), draw(st.sampled_from(HEADS))
    positional = draw(st.sampled_from(["rope", "none", "alibi", "learned"]))
    embedding = draw(embeddings(positional, d_model // n_heads // 2))
    own_heads = embedding.get("rope_scaling", {}).get("type") != "longrope"
    frame = Frame(d_model, n_heads, positional, own_heads)
    names = draw(
        st.lists(st.sampled_from(["decoder", "decoder_2", "x.y", "local"]), min_size=1, max_size=3, unique=True)
    )
    pool = {name: draw(templates(frame)) for name in names}
    others: dict[str, Plain] = {}
    waist = None
    if draw(st.booleans()):
        waist = ("down", "up")
        for name, width in zip(waist, (draw(st.sampled_from(WIDTHS)), d_model), strict=True):
            shape = {"d_out": width} | _some(draw, projection=st.sampled_from(["linear", "conv1d", "mlp"]))
            others[name] = draw(templates(frame)) | {"shape_change": shape}
    spec: Plain = {
        "schema_version": 1,
        "model": draw(models(frame)),
        "tokenizer_contract": draw(tokenizers()),
        "embedding": embedding,
        "layer_templates": pool | others,
        "layer_schedule": draw(schedules(pool, waist)),
        "head": draw(heads(pool)),
    }
    spec |= _some(draw, training_hints=training_hints(), tissue=tissues(pool), compatibility=compatibilities())
    if draw(st.booleans()):
        spec |= draw(phases(pool | others))
    if draw(st.booleans()):
        spec["about"] = draw(abouts())
    draw(reserved(spec))
    return spec


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
    return keys | _some(
        draw, n_kv_heads=st.sampled_from([n for n in HEADS if frame.n_heads % n == 0]),
        mlp_ratio=st.sampled_from([2, 2.5]), d_ff=sizes, norm_eps=st.just(1e-6), family_hint=words,
        dtype=st.sampled_from(["float32", "float16", "bfloat16"]), target_params=st.sampled_from([1000, "1.1B"]),
    )  # fmt: skip


@st.composite
def abouts(draw: Draw) -> Plain:
    """`about`."""
    lists = st.lists(words, max_size=2)
    return _some(
        draw,
        tier=st.integers(1, 3),
        level=st.sampled_from(["beginner", "expert"]),
        papers=lists,
        summary=words,
        mirrors=words,
        speculative=st.booleans(),
        warnings=lists,
    )


@st.composite
def tokenizers(draw: Draw) -> Plain:
    """`tokenizer_contract`."""
    keys = draw(st.sampled_from([{"type": "byte"}, {"type": "hf", "pretrained": "some/name"}]))
    return keys | _some(draw, add_bos=st.booleans(), add_eos=st.booleans(), pad_token=st.just("<pad>"))


@st.composite
def muons(draw: Draw) -> Plain:
    """`training_hints.muon`."""
    coefficients = st.just([2.0, -1.5, 0.5])
    return _some(draw, ns_iters=sizes, ns_coefs=coefficients, stabilize_iters=sizes, stabilize_coefs=coefficients)


@st.composite
def compatibilities(draw: Draw) -> Plain:
    """`compatibility`."""
    quant = {"enabled": True, "dtype": "int8", "scope": ["*.ffn.*"], "dequant_to": "bf16"}
    return _some(
        draw, compile_target=st.just("huggingface"),
        dtype_policy=st.sampled_from(["uniform", "layered_safe"]),
        quant_aware_training=st.sampled_from([quant, {"enabled": False}]),
    )  # fmt: skip
