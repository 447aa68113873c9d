"""Qwen3-Next: gated DeltaNet, every fourth layer attends; experts and a gated shared one (transformers' qwen3_next).

Its norms are stored as w − 1, but for the one inside gated DeltaNet. A head's first features are rotated there and its
last here, so that rows of q, k and their norms move; queries and output gates, and DeltaNet's projections, are fused
head by head and taken apart.
"""

from collections.abc import Sequence
from functools import partial

import torch

from eulerstack.interop.config import Config
from eulerstack.interop.families import decoder
from eulerstack.interop.families.family import Family
from eulerstack.interop.plain import Parts, Plain, Shape, init_std, written
from eulerstack.interop.rope import rope, rotated_part
from eulerstack.interop.weights import Recipe, Rule, rule, same, stacked, stacked_gate_up

DEFAULTS = {
    "vocab_size": 151936,
    "hidden_size": 2048,
    "intermediate_size": 5632,
    "num_hidden_layers": 48,
    "num_attention_heads": 16,
    "num_key_value_heads": 2,
    "head_dim": 256,
    "max_position_embeddings": 32768,
}
NORM = {"type": "rmsnorm", "unit_offset": True}
SILU = {"silu": "swiglu", "swish": "swiglu"}
"""transformers puts the experts' activation behind DeltaNet's convolution too, where the language has SiLU alone."""

KINDS = {"linear_attention": "linear", "full_attention": "full"}

MIXER = "model.layers.{i}.mixer"
ATTENTION, LINEAR = "model.layers.{i}.self_attn", "model.layers.{i}.linear_attn"
FFN, MLP = "model.layers.{i}.ffn", "model.layers.{i}.mlp"
GATE_UP = (f"{MLP}.experts.{{e}}.gate_proj.weight", f"{MLP}.experts.{{e}}.up_proj.weight")

EXPERTS = (
    rule(f"{FFN}.router.weight", f"{MLP}.gate.weight"),
    Rule(
        f"{FFN}.experts.gate_up_proj",
        (Recipe(GATE_UP, stacked_gate_up), Recipe((f"{MLP}.experts.gate_up_proj",))),
    ),
    Rule(
        f"{FFN}.experts.down_proj",
        (Recipe((f"{MLP}.experts.{{e}}.down_proj.weight",), stacked), Recipe((f"{MLP}.experts.down_proj",))),
    ),
    *(
        rule(f"{FFN}.shared.{name}.weight", f"{MLP}.shared_expert.{name}.weight")
        for name in ("gate_proj", "up_proj", "down_proj")
    ),
    rule(f"{FFN}.shared_gate.weight", f"{MLP}.shared_expert_gate.weight"),
)
UNCHANGED = (
    *(rule(f"{MIXER}.{name}.weight", f"{ATTENTION}.{name}.weight") for name in ("v_proj", "o_proj")),
    *(rule(f"{MIXER}.{name}", f"{LINEAR}.{name}") for name in ("conv1d.weight", "dt_bias", "A_log", "norm.weight")),
    rule(f"{MIXER}.out_proj.weight", f"{LINEAR}.out_proj.weight"),
)


def read(config: Config) -> Parts:
    """A Qwen3-Next config → the parts of a spec."""
    shape = decoder.shape(config, defaults=DEFAULTS)
    rotated = rotated_part(config, shape.head_dim, 0.25)
    delta = delta_net(config)
    config.neutral("attention_bias", None, False)
    config.neutral("use_sliding_window", None, False)
    mixers = {
        "linear": {"type": "gated_deltanet", "gated_deltanet": delta},
        "full": {"type": "attention", "attention": attention(config, shape, rotated)},
    }
    activation = config.choice("hidden_act", "silu", SILU)
    ffns = {
        "": {"type": "gated_mlp", "activation": activation},
        "_moe": {"type": "moe", "activation": activation, "moe": experts(config)},
    }
    layers = [
        (kind + ffn, {"mixer": mixers[kind], "ffn": ffns[ffn], "norm": NORM})
        for kind, ffn in zip(kinds(config, shape.layers), sparse(config, shape.layers), strict=True)
    ]
    return Parts(
        shape=shape,
        eps=config.positive("rms_norm_eps", 1e-6),
        embedding=rope(config, shape, rotated=rotated),
        layers=layers,
        tied=config.boolean("tie_word_embeddings", False),
        head={"final_norm": NORM},
        hints=init_std(config, "initializer_range"),
        rules=(*attention_rules(shape, rotated), *delta_rules(delta)),
    )


def attention(config: Config, shape: Shape, rotated: int) -> Plain:
    """The keys of `attention`."""
    return {"qk_norm": "head", "qk_norm_unit_offset": True, "gate": True} | written(
        rope_dim=rotated if rotated != shape.head_dim else None,
        attn_drop=config.probability("attention_dropout", 0.0) or None,
    )


def delta_net(config: Config) -> Plain:
    """The keys of `gated_deltanet`."""
    keys = {
        "n_heads": config.integer("linear_num_key_heads", 16),
        "n_value_heads": config.integer("linear_num_value_heads", 32),
        "d_key": config.integer("linear_key_head_dim", 128),
        "d_value": config.integer("linear_value_head_dim", 128),
        "d_conv": config.integer("linear_conv_kernel_dim", 4),
    }
    if keys["n_value_heads"] % keys["n_heads"]:
        multiples = f"{keys['n_heads']}, {2 * keys['n_heads']}, …"
        config.refuse("linear_num_value_heads", keys["n_value_heads"], multiples)
    return keys


def kinds(config: Config, layers: int) -> list[str]:
    """`layer_types`, else every fourth layer attends (or every `full_attention_interval`-th)."""
    interval = config.integer("full_attention_interval", 4)
    default = ["linear_attention" if (index + 1) % interval else "full_attention" for index in range(layers)]
    found = config.value("layer_types") or default
    if not isinstance(found, list) or len(found) != layers or any(kind not in KINDS for kind in found):
        config.refuse("layer_types", found, f"[{' | '.join(KINDS)}, …] × {layers}")
        found = default
    return [KINDS[kind] for kind in found]


def sparse(config: Config, layers: int) -> list[str]:
    """Which layers have experts: every `decoder_sparse_step`-th, but those of `mlp_only_layers`."""
    step, dense = config.integer("decoder_sparse_step", 1), config.value("mlp_only_layers") or []
    if not isinstance(dense, list) or any(type(index) is not int for index in dense):
        config.refuse("mlp_only_layers", dense, "[integer, …]")
        dense = []
    none = config.integer("num_experts", 512, least=0) == 0
    return ["" if none or index in dense or (index + 1) % step else "_moe" for index in range(layers)]


def experts(config: Config) -> Plain:
    """The keys of `moe`. The balance loss counts only where `output_router_logits` is set, as in transformers."""
    n_experts = config.integer("num_experts", 512, least=0)
    top_k = config.integer("num_experts_per_tok", 10)
    if 0 < n_experts < top_k:
        config.refuse("num_experts_per_tok", top_k, f"≤ num_experts = {n_experts}")
    coefficient = config.number("router_aux_loss_coef", 0.001)
    return {
        "experts": n_experts,
        "top_k": top_k,
        "d_expert": config.integer("moe_intermediate_size", 512),
        "shared_experts": 1,
        "d_shared": config.integer("shared_expert_intermediate_size", 512),
        "shared_gate": True,
        "gated": True,
        "norm_top_k": config.boolean("norm_topk_prob", True),
        "load_balance_coef": coefficient if config.boolean("output_router_logits", False) else 0.0,
    }


def attention_rules(shape: Shape, rotated: int) -> tuple[Rule, ...]:
    """Queries and gates, head by head: first the query's rows, then the gate's; rotated features go last."""
    width = shape.head_dim
    fused = partial(taken, heads=shape.n_heads, sizes=(width, width))
    key = partial(taken, heads=shape.n_kv_heads, sizes=(width,), parts=(0,), rotated=rotated)
    norm = partial(taken, heads=1, sizes=(width,), parts=(0,), rotated=rotated)
    return (
        rule(
            f"{MIXER}.q_proj.weight",
            f"{ATTENTION}.q_proj.weight",
            transform=partial(fused, parts=(0,), rotated=rotated),
        ),
        rule(f"{MIXER}.g_proj.weight", f"{ATTENTION}.q_proj.weight", transform=partial(fused, parts=(1,))),
        rule(f"{MIXER}.k_proj.weight", f"{ATTENTION}.k_proj.weight", transform=key),
        rule(f"{MIXER}.q_norm.weight", f"{ATTENTION}.q_norm.weight", transform=norm),
        rule(f"{MIXER}.k_norm.weight", f"{ATTENTION}.k_norm.weight", transform=norm),
    )


def delta_rules(keys: Plain) -> tuple[Rule, ...]:
    """What is fused for each head of keys: query, key, its values and their z; and its values' β and α."""
    heads, shared_by = keys["n_heads"], max(keys["n_value_heads"] // keys["n_heads"], 1)
    values = shared_by * keys["d_value"]
    rows = partial(taken, heads=heads, sizes=(keys["d_key"], keys["d_key"], values, values))
    numbers = partial(taken, heads=heads, sizes=(shared_by, shared_by))
    fused, scalars = f"{LINEAR}.in_proj_qkvz.weight", f"{LINEAR}.in_proj_ba.weight"
    return (
        rule(f"{MIXER}.in_proj_qkv.weight", fused, transform=partial(rows, parts=(0, 1, 2))),
        rule(f"{MIXER}.in_proj_z.weight", fused, transform=partial(rows, parts=(3,))),
        rule(f"{MIXER}.in_proj_b.weight", scalars, transform=partial(numbers, parts=(0,))),
        rule(f"{MIXER}.in_proj_a.weight", scalars, transform=partial(numbers, parts=(1,))),
    )


def taken(
    tensors: Sequence[torch.Tensor], *, heads: int, sizes: tuple[int, ...], parts: tuple[int, ...], rotated: int = 0
) -> torch.Tensor:
    """Of rows that hold parts of these sizes for each head in turn: some parts, one after the other, each of all heads.

    The first `rotated` rows of each head in a part go behind the others.
    """
    split = same(tensors).unflatten(0, (heads, -1)).split(sizes, dim=1)
    return torch.cat([split[part].roll(-rotated, dims=1).flatten(0, 1) for part in parts])


FAMILY = Family(
    model_type="qwen3_next",
    architectures=("Qwen3NextForCausalLM", "Qwen3NextModel"),
    read=read,
    rules=(*decoder.ROOT, *UNCHANGED, *EXPERTS, *decoder.gated_mlp(), *decoder.PRE_NORMS),
    ignored=(r"rotary_emb\.inv_freq$", r"^mtp\."),
    add_bos=False,
)
