"""Rows of the sections around the layers: model, tokenizer, embedding, head, training, compatibility."""

from importlib.resources import files

from tests.keys.effects import (
    cost,
    data,
    first_weights,
    gradient,
    groups,
    handed_on,
    initialisation,
    logits,
    loss,
    picture,
    short_logits,
    tokenizer_files,
    training,
)
from tests.keys.rows import UNWRITTEN, Plain, Row, of, one, put, row
from tests.runtime.models.layers import layer, mamba, moe
from tests.runtime.models.sections import TWO, mtp, quantised, spec

PLAIN = one()
PRESETS = [str(files("eulerstack.presets") / "tier1" / f"arch_beginner_{name}.yml") for name in ("gpt2", "llama")]
BYTE = one(model={"vocab_size": 300}, tokenizer_contract={"type": "byte", "pretrained": None})
PUBLISHED = one(tokenizer_contract={"pretrained": "./one"})
LAYERNORM = one(layer(norm={"type": "layernorm"}))
ROUTED = one(layer(ffn=moe()))


def _stretched(kind: str, **keys) -> Plain:
    """Rope scaled from 16 tokens on, heads wide enough that frequencies lie on either side of every bound."""
    scaling = {"type": kind, "factor": 4.0, **keys}
    return one(model={"max_seq_len": 16, "head_dim": 16}, embedding={"rope_scaling": scaling, "rope_theta": 100.0})


NARROW, WIDE = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7], [2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]
LONGROPE = _stretched("longrope", short_factor=NARROW, long_factor=WIDE)
YARN = _stretched("yarn", original_max_seq_len=64)

DOCUMENT = [
    row("let", cost, put(PLAIN, "model.d_ff", "${ let.width }"), {"width": 48}, {"width": 64}),
    Row("extends", cost, tuple({"schema_version": 1, "extends": path} for path in PRESETS)),
]

ABOUT = [
    *of("about", handed_on, PLAIN, summary=("one", "two"), tier=(1, 2), papers=([], ["arXiv:1706.03762"])),
    *of("about", handed_on, PLAIN, level=("beginner", "intermediate", "advanced", "expert"), mirrors=("one", "two")),
    *of("about", handed_on, PLAIN, speculative=(False, True), warnings=([], ["slow"])),
]

MODEL = [
    *of("model", handed_on, PLAIN, family_hint=("llama", "gpt2"), target_params=(1000, "1.1B")),
    *of(
        "model", cost, PLAIN, d_model=(32, 48), vocab_size=(97, 120), n_kv_heads=(4, 2), head_dim=(8, 4), d_ff=(48, 64)
    ),
    *of("model", cost, put(PLAIN, "model.d_ff", UNWRITTEN), mlp_ratio=(4, 2.5)),
    *of("model", cost, one(embedding={"positional": "learned"}), max_seq_len=(64, 32)),
    *of("model", logits, PLAIN, n_heads=(4, 2), norm_eps=(1e-5, 0.5)),
    *of("model", initialisation, PLAIN, dtype=("float32", "float16", "bfloat16")),
    *of("model", picture, PLAIN, name=("one", "two")),
]

TOKENIZER = [
    row(
        "tokenizer_contract.type", tokenizer_files, put(BYTE, "tokenizer_contract", {}),
        {"type": "hf", "pretrained": "./one"}, {"type": "byte"}, at="tokenizer_contract", slow=True,
    ),
    *of("tokenizer_contract", tokenizer_files, PUBLISHED, pretrained=("./one", "./two"), slow=True),
    *of("tokenizer_contract", tokenizer_files, BYTE, add_bos=(True, False), pad_token=("<pad>", "<void>", "<eos>")),
    *of("tokenizer_contract", data, BYTE, add_eos=(True, False)),
]  # fmt: skip

EMBEDDING = [
    *of("embedding", logits, PLAIN, positional=("rope", "none", "alibi", "learned"), rope_theta=(1e4, 100.0)),
    *of("embedding", logits, PLAIN, scale=(UNWRITTEN, 3.0)),
    *of("embedding", cost, PLAIN, tie_word_embeddings=(True, False), d_embed=(32, 16)),
    *of("embedding", loss, PLAIN, dropout=(0.0, 0.5)),
    *of("embedding", gradient, one(head={"tie_weights": False}), train_padding=(True, False)),
    row(
        "embedding.rope_scaling.type", logits, _stretched("linear"), {"type": "linear", "factor": 4.0},
        {"type": "dynamic", "factor": 4.0}, {"type": "yarn", "factor": 4.0, "original_max_seq_len": 8},
        {"type": "llama3", "factor": 4.0, "original_max_seq_len": 8},
        {"type": "longrope", "factor": 4.0, "short_factor": NARROW, "long_factor": WIDE}, at="embedding.rope_scaling",
    ),
    *of("embedding.rope_scaling", logits, _stretched("linear"), factor=(2.0, 4.0)),
    *of("embedding.rope_scaling", logits, YARN, original_max_seq_len=(64, 32), attention_factor=(UNWRITTEN, 3.0)),
    *of("embedding.rope_scaling", logits, YARN, beta_fast=(2.0, 32.0), beta_slow=(0.1, 1.0), truncate=(True, False)),
    *of("embedding.rope_scaling", logits, put(YARN, "embedding.rope_scaling.mscale_all_dim", 0.5), mscale=(1.0, 4.0)),
    *of("embedding.rope_scaling", logits, put(YARN, "embedding.rope_scaling.mscale", 1.0), mscale_all_dim=(0.5, 4.0)),
    *of(
        "embedding.rope_scaling", logits, _stretched("llama3", original_max_seq_len=8),
        low_freq_factor=(0.2, 1.0), high_freq_factor=(1.5, 4.0),
    ),
    *of("embedding.rope_scaling", short_logits, LONGROPE, short_factor=(NARROW, WIDE)),
    *of("embedding.rope_scaling", logits, LONGROPE, long_factor=(NARROW, WIDE)),
]  # fmt: skip

AHEAD = spec(TWO, [{"template": "a"}], head=mtp(1))

HEAD = [
    row("head.type", loss, PLAIN, {"type": "causal_lm"}, mtp(1), at="head"),
    *of("head", cost, PLAIN, tie_weights=(True, False)),
    *of("head", logits, PLAIN, logit_softcap=(UNWRITTEN, 0.5), logit_scale=(UNWRITTEN, 0.5)),
    *of("head.mtp", cost, AHEAD, n_predict=(1, 2), head_layers=(1, 2)),
    *of("head.mtp", loss, AHEAD, head_template=("a", "b"), train_loss_weight=(0.1, 1.0)),
    *of("head.final_norm", logits, LAYERNORM, type=("rmsnorm", "layernorm", "none"), eps=(UNWRITTEN, 0.5)),
    *of("head.final_norm", logits, LAYERNORM, unit_offset=(False, True), affine=(True, False)),
]

MUON = one(training_hints={"optimizer": "muon"})

TRAINING = [
    *of("training_hints", initialisation, PLAIN, init=("normal_0.02", "scaled", "xavier", "small")),
    *of("training_hints", initialisation, PLAIN, init_std=(0.02, 0.5)),
    *of("training_hints", first_weights, PLAIN, seed=(1, 2)),
    *of("training_hints", loss, PLAIN, dropout=(0.0, 0.5)),
    *of("training_hints", loss, ROUTED, router_aux_loss_coef=(0.01, 1.0)),
    *of("training_hints", training, PLAIN, lr_peak=(3e-4, 1e-3), lr_floor_ratio=(0.1, 0.0)),
    *of("training_hints", training, PLAIN, betas=([0.9, 0.95], [0.8, 0.9])),
    *of("training_hints", groups, PLAIN, weight_decay=(0.1, 0.0)),
    *of("training_hints", training, PLAIN, grad_clip=(1.0, 0.0), warmup_steps_ratio=(0.03, 0.5)),
    *of("training_hints", training, PLAIN, checkpointing=(False, True)),
    *of("training_hints", groups, ROUTED, optimizer=("adamw", "muon", "hybrid")),
    *of("training_hints", groups, ROUTED, router_lr_multiplier=(1.0, 0.1)),
    *of("training_hints.optimizer_groups", groups, MUON, muon=([], ["*embed*"]), adamw=([], ["*.mixer.*"])),
    *of("training_hints.muon", training, MUON, ns_iters=(8, 5), ns_coefs=([3.4445, -4.775, 2.0315], [2.0, -1.5, 0.5])),
    *of("training_hints.muon", training, MUON, stabilize_iters=(2, 0)),
    *of("training_hints.muon", training, MUON, stabilize_coefs=([2.0, -1.5, 0.5], [1.0, 0.0, 0.0])),
    row(
        "training_hints.scaling.parametrization", logits, PLAIN,
        {"parametrization": "standard"}, {"parametrization": "mup", "base_width": 16}, at="training_hints.scaling",
    ),
    *of(
        "training_hints.scaling", groups,
        put(PLAIN, "training_hints.scaling", {"parametrization": "mup"}), base_width=(16, 32),
    ),
    *of(
        "training_hints.differentiation_objectives", loss, ROUTED, usage_probe_coef=(0.0, 0.1),
        router_mutual_information_coef=(0.0, 0.1), expert_orthogonality_coef=(0.0, 0.1),
    ),
]  # fmt: skip

ROUNDED = one(compatibility=quantised("fp4", "*"))

COMPATIBILITY = [
    *of(
        "compatibility", initialisation, one(layer(mamba(), moe()), model={"dtype": "bfloat16"}),
        dtype_policy=("uniform", "layered_safe"),
    ),
    *of("compatibility.quant_aware_training", loss, ROUNDED, enabled=(True, False), dtype=("fp4", "fp8", "int8")),
    *of("compatibility.quant_aware_training", loss, ROUNDED, scope=(["*"], ["*.ffn.*"])),
    *of(
        # what fp4 has, the others have too
        "compatibility.quant_aware_training", gradient, one(compatibility=quantised("int8", "*")),
        dequant_to=("fp4", "fp8", "bf16", "fp32"),
    ),
]  # fmt: skip

ROWS = [*DOCUMENT, *ABOUT, *MODEL, *TOKENIZER, *EMBEDDING, *HEAD, *TRAINING, *COMPATIBILITY]
