"""What the Llama line shares (Llama, Mistral, Qwen 2 and 3, Gemma 2, OLMo 2, Mixtral): names of keys and tensors."""

from typing import Any

from eulerstack.interop.config import Config
from eulerstack.interop.plain import Shape, heads
from eulerstack.interop.weights import Rule, linear, rule

ROOT = (
    rule("model.embed_tokens.weight", "model.embed_tokens.weight"),
    rule("model.norm.weight", "model.norm.weight"),
    rule("lm_head.weight", "lm_head.weight"),
)


def attention(*projections: str) -> tuple[Rule, ...]:
    """The rules of `self_attn`, its projections named alike on both sides."""
    layer, theirs = "model.layers.{i}.mixer", "model.layers.{i}.self_attn"
    names = projections or ("q_proj", "k_proj", "v_proj", "o_proj")
    return tuple(made for name in names for made in linear(f"{layer}.{name}", f"{theirs}.{name}"))


def gated_mlp() -> tuple[Rule, ...]:
    """The rules of `mlp`."""
    layer, theirs = "model.layers.{i}.ffn", "model.layers.{i}.mlp"
    return tuple(
        made for name in ("gate_proj", "up_proj", "down_proj") for made in linear(f"{layer}.{name}", f"{theirs}.{name}")
    )


def norms(**names: str) -> tuple[Rule, ...]:
    """The rules of a layer's norms: our name = theirs."""
    layer = "model.layers.{i}"
    return tuple(rule(f"{layer}.{ours}.weight", f"{layer}.{theirs}.weight") for ours, theirs in names.items())


PRE_NORMS = norms(mixer_norm="input_layernorm", ffn_norm="post_attention_layernorm")


def shape(config: Config, *, defaults: dict[str, Any]) -> Shape:
    """The sizes under Llama's names. `defaults` are the family's own, for keys that the file leaves out."""
    d_model = config.integer("hidden_size", defaults["hidden_size"])
    n_heads = config.integer("num_attention_heads", defaults["num_attention_heads"])
    n_kv_heads = config.optional_integer("num_key_value_heads", defaults.get("num_key_value_heads")) or n_heads
    heads(config, "num_attention_heads", "num_key_value_heads", n_heads, n_kv_heads)
    head_dim = config.optional_integer("head_dim", defaults.get("head_dim"))
    return Shape(
        d_model=d_model,
        vocab_size=config.integer("vocab_size", defaults["vocab_size"]),
        max_seq_len=config.integer("max_position_embeddings", defaults["max_position_embeddings"]),
        layers=config.integer("num_hidden_layers", defaults["num_hidden_layers"]),
        n_heads=n_heads,
        n_kv_heads=n_kv_heads,
        head_dim=head_dim or max(d_model // n_heads, 1),
        d_ff=config.integer("intermediate_size", defaults["intermediate_size"]),
    )
