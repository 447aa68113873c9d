"""GPT-2: LayerNorm, learned positions, a fused q, k, v kept the other way round (transformers/models/gpt2)."""

from eulerstack.interop.config import Config
from eulerstack.interop.families.family import Family
from eulerstack.interop.plain import UNGATED, Parts, Plain, Shape, init_std, named, template, written
from eulerstack.interop.weights import conv1d_part, linear, rule, transposed

LAYER, THEIRS = "model.layers.{i}", "transformer.h.{i}"

RULES = (
    rule("model.embed_tokens.weight", "transformer.wte.weight"),
    rule("model.embed_positions.weight", "transformer.wpe.weight"),
    *linear("model.norm", "transformer.ln_f"),
    rule("lm_head.weight", "lm_head.weight"),
    *linear(f"{LAYER}.mixer_norm", f"{THEIRS}.ln_1"),
    *conv1d_part(f"{LAYER}.mixer.q_proj", f"{THEIRS}.attn.c_attn", 0, 3),
    *conv1d_part(f"{LAYER}.mixer.k_proj", f"{THEIRS}.attn.c_attn", 1, 3),
    *conv1d_part(f"{LAYER}.mixer.v_proj", f"{THEIRS}.attn.c_attn", 2, 3),
    *linear(f"{LAYER}.mixer.o_proj", f"{THEIRS}.attn.c_proj", transposed),
    *linear(f"{LAYER}.ffn_norm", f"{THEIRS}.ln_2"),
    *linear(f"{LAYER}.ffn.up_proj", f"{THEIRS}.mlp.c_fc", transposed),
    *linear(f"{LAYER}.ffn.down_proj", f"{THEIRS}.mlp.c_proj", transposed),
)


def read(config: Config) -> Parts:
    """A GPT-2 config → the parts of a spec."""
    shape = sizes(config)
    attention = written(qkv_bias=True, out_bias=True, attn_drop=config.probability("attn_pdrop", 0.1) or None)
    ffn = {
        "type": "mlp",
        "activation": config.choice("activation_function", "gelu_new", UNGATED),
        "bias": True,
    }
    norm = {"type": "layernorm", "position": "pre"}
    for key in ("summary_type", "summary_use_proj", "summary_activation", "summary_proj_to_labels"):
        config.ignore(key)  # a classification head's
    config.ignore("summary_first_dropout", "n_ctx", "n_special", "predict_special_tokens")
    config.boolean("reorder_and_upcast_attn", False)  # the order of rounding in half precision, the same function
    in_embedding, in_hints = dropout(config)
    return Parts(
        shape=shape,
        eps=config.positive("layer_norm_epsilon", 1e-5),
        embedding={"positional": "learned"} | in_embedding,
        layers=named(
            (name, template(attention | scale, ffn, norm))
            for name, scale in scales(config, shape.layers, shape.head_dim)
        ),
        tied=config.boolean("tie_word_embeddings", True),
        hints={"init": "scaled"} | init_std(config, "initializer_range") | in_hints,
    )


def sizes(config: Config) -> Shape:
    """The sizes under GPT-2's names."""
    d_model = config.integer("n_embd", 768)
    n_heads = config.integer("n_head", 12)
    if d_model % n_heads:
        config.refuse("n_head", n_heads, f"n_embd % n_head = 0, n_embd = {d_model}")
    return Shape(
        d_model=d_model,
        vocab_size=config.integer("vocab_size", 50257),
        max_seq_len=config.integer("n_positions", 1024),
        layers=config.integer("n_layer", 12),
        n_heads=n_heads,
        n_kv_heads=n_heads,
        head_dim=max(d_model // n_heads, 1),
        d_ff=config.optional_integer("n_inner") or 4 * d_model,
    )


def dropout(config: Config) -> tuple[Plain, Plain]:
    """Keys of `embedding` and of `training_hints`: the embedding's dropout and the branches'."""
    embedding, branches = config.probability("embd_pdrop", 0.1), config.probability("resid_pdrop", 0.1)
    return ({} if embedding == branches else {"dropout": embedding}), {"dropout": branches}


def scales(config: Config, layers: int, head_dim: int) -> list[tuple[str, Plain]]:
    """Each layer's template name and attention scale.

    `scale_attn_weights` is the usual head_dim^−½ or nothing; `scale_attn_by_inverse_layer_idx` divides it by 1, 2, …
    """
    scaled = config.boolean("scale_attn_weights", True)
    if config.boolean("scale_attn_by_inverse_layer_idx", False):
        base = head_dim**-0.5 if scaled else 1.0
        return [(f"decoder_{layer}", {"scale": base / (layer + 1)}) for layer in range(layers)]
    return [("decoder", {} if scaled else {"scale": 1.0})] * layers


FAMILY = Family(
    model_type="gpt2",
    architectures=("GPT2LMHeadModel", "GPT2Model"),
    read=read,
    rules=RULES,
    prefix="transformer.",
    embedding="transformer.wte.weight",
    ignored=(r"\.attn\.bias$", r"\.attn\.masked_bias$"),
    aliases={
        "hidden_size": "n_embd",
        "max_position_embeddings": "n_positions",
        "num_attention_heads": "n_head",
        "num_hidden_layers": "n_layer",
    },
    freezes_padding=False,
    add_bos=False,
    tokens={"bos_token_id": 50256, "eos_token_id": 50256},
)
