"""OPT: LayerNorm before or after the branches, learned positions with two unused rows (transformers/models/opt)."""

from functools import partial

from eulerstack.interop.config import Config
from eulerstack.interop.families.family import Family
from eulerstack.interop.plain import UNGATED, Parts, Plain, Shape, init_std, template, written
from eulerstack.interop.weights import Rule, linear, rows_from, rule

LAYER, THEIRS = "model.layers.{i}", "model.decoder.layers.{i}"
POSITION_OFFSET = 2
"""Rows that fairseq kept for padding: position p reads row p + 2, and row 1 serves masked tokens only."""


def norms(pre: bool) -> tuple[Rule, ...]:
    """The rules of a layer's norms: before or after the branch, one pair of tensors in the checkpoint."""
    mixer, ffn = ("mixer_norm", "ffn_norm") if pre else ("mixer_post_norm", "ffn_post_norm")
    return (
        *linear(f"{LAYER}.{mixer}", f"{THEIRS}.self_attn_layer_norm"),
        *linear(f"{LAYER}.{ffn}", f"{THEIRS}.final_layer_norm"),
    )


RULES = (
    rule("model.embed_tokens.weight", "model.decoder.embed_tokens.weight"),
    rule(
        "model.embed_positions.weight",
        "model.decoder.embed_positions.weight",
        transform=partial(rows_from, first=POSITION_OFFSET),
    ),
    rule("model.embed_in.weight", "model.decoder.project_in.weight"),
    rule("model.embed_out.weight", "model.decoder.project_out.weight"),
    *linear("model.norm", "model.decoder.final_layer_norm"),
    rule("lm_head.weight", "lm_head.weight"),
    *linear(f"{LAYER}.mixer.q_proj", f"{THEIRS}.self_attn.q_proj"),
    *linear(f"{LAYER}.mixer.k_proj", f"{THEIRS}.self_attn.k_proj"),
    *linear(f"{LAYER}.mixer.v_proj", f"{THEIRS}.self_attn.v_proj"),
    *linear(f"{LAYER}.mixer.o_proj", f"{THEIRS}.self_attn.out_proj"),
    *linear(f"{LAYER}.ffn.up_proj", f"{THEIRS}.fc1"),
    *linear(f"{LAYER}.ffn.down_proj", f"{THEIRS}.fc2"),
    *norms(pre=True),
    *norms(pre=False),
)


def read(config: Config) -> Parts:
    """An OPT config → the parts of a spec."""
    shape = sizes(config)
    bias = config.boolean("enable_bias", True)
    affine = config.boolean("layer_norm_elementwise_affine", True)
    pre = config.boolean("do_layer_norm_before", True)
    ends_bare = config.boolean("_remove_final_layer_norm", False)
    layer = template(
        written(qkv_bias=bias, out_bias=bias, attn_drop=config.probability("attention_dropout", 0.0) or None),
        written(type="mlp", activation=config.choice("activation_function", "relu", UNGATED), bias=bias),
        {"type": "layernorm", "position": "pre" if pre else "post"} | ({} if affine else {"affine": False}),
    )
    config.neutral("layerdrop", 0, 0.0)
    config.neutral("activation_dropout", 0, 0.0)
    return Parts(
        shape=shape,
        eps=1e-5,
        embedding={"positional": "learned"} | width(config, shape.d_model) | {"dropout": 0.0},
        layers=[("decoder", layer)] * shape.layers,
        tied=config.boolean("tie_word_embeddings", True),
        head={"final_norm": {"type": "none"}} if pre and ends_bare else {},
        hints=init_std(config, "init_std") | written(dropout=config.probability("dropout", 0.1) or None),
    )


def width(config: Config, d_model: int) -> Plain:
    """The embedding's own width, where it is not the model's."""
    d_embed = config.optional_integer("word_embed_proj_dim")
    return {} if d_embed in (None, d_model) else {"d_embed": d_embed}


def sizes(config: Config) -> Shape:
    """The sizes under OPT's names."""
    d_model = config.integer("hidden_size", 768)
    n_heads = config.integer("num_attention_heads", 12)
    if d_model % n_heads:
        config.refuse("num_attention_heads", n_heads, f"hidden_size % num_attention_heads = 0, hidden_size = {d_model}")
    return Shape(
        d_model=d_model,
        vocab_size=config.integer("vocab_size", 50272),
        max_seq_len=config.integer("max_position_embeddings", 2048),
        layers=config.integer("num_hidden_layers", 12),
        n_heads=n_heads,
        n_kv_heads=n_heads,
        head_dim=max(d_model // n_heads, 1),
        d_ff=config.integer("ffn_dim", 3072),
    )


FAMILY = Family(
    model_type="opt",
    architectures=("OPTForCausalLM", "OPTModel"),
    read=read,
    rules=RULES,
    embedding="model.decoder.embed_tokens.weight",
    ignored=(r"decoder\.version$",),
    tokens={"bos_token_id": 2, "eos_token_id": 2, "pad_token_id": 1},
)
