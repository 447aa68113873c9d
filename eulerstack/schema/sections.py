"""The sections of the root that are single mappings: about, model, tokenizer_contract, embedding, head."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from eulerstack.schema.base import AlsoText, Count, Keys, NonNegative, Positive, Size
from eulerstack.schema.rope_scaling import RopeScalingKeys

Text = Annotated[str, Field(min_length=1)]

_MULTIPLES = {"K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
LARGEST_MODEL = 10**15


def _spelled_count(value: Any) -> Any:
    """`"1.1B"` as 1_100_000_000; anything else as it stands, for pydantic to judge."""
    if not isinstance(value, str) or not value or value[-1].upper() not in _MULTIPLES:
        return value
    digits, unit = value[:-1].strip(), _MULTIPLES[value[-1].upper()]
    if not digits.replace(".", "", 1).isdecimal() or not digits.isascii():
        return value
    return round(float(digits) * unit)


_SPELLED = AlsoText(r"^([0-9]+\.?[0-9]*|\.[0-9]+) *[KMBTkmbt]$", "1.1B")
ParameterCount = Annotated[int, BeforeValidator(_spelled_count), Field(ge=1, le=LARGEST_MODEL), _SPELLED]
"""A number of parameters: an integer, or digits with K, M, B or T."""


class AboutKeys(Keys):
    """`about`: what a catalogue of presets needs to know. Advisory."""

    summary: Text | None = None
    tier: Annotated[int, Field(ge=1, le=3)] | None = None
    level: Literal["beginner", "intermediate", "advanced", "expert"] | None = None
    papers: list[Text] = []
    mirrors: Text | None = None
    speculative: bool = False
    warnings: list[Text] = []


class ModelKeys(Keys):
    """`model`: the numbers that every layer derives its own from."""

    name: Text
    family_hint: Text | None = None
    d_model: Size
    vocab_size: Size
    max_seq_len: Size
    n_heads: Size
    n_kv_heads: Size | None = None
    head_dim: Size | None = None
    mlp_ratio: Annotated[float, Field(gt=0, le=1024)] = 4.0
    d_ff: Size | None = None
    norm_eps: Annotated[float, Field(gt=0, lt=1)] = 1e-5
    dtype: Literal["float32", "float16", "bfloat16"] = "bfloat16"
    target_params: ParameterCount | None = None


class TokenizerKeys(Keys):
    """`tokenizer_contract`: which tokenizer the model is made for."""

    type: Literal["hf", "byte"]
    pretrained: Text | None = None
    add_bos: bool = True
    add_eos: bool = True
    pad_token: Text | None = None


class EmbeddingKeys(Keys):
    """`embedding`: the token table and how positions are told."""

    type: Literal["learned"]
    positional: Literal["rope", "none", "alibi", "learned"]
    rope_theta: Annotated[float, Field(gt=0, le=1e12)] = 10000.0
    rope_scaling: RopeScalingKeys | None = None
    tie_word_embeddings: bool | None = None
    scale: Annotated[float, Field(gt=0, le=1e6)] | None = None
    d_embed: Size | None = None
    train_padding: bool = True
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None


class MtpKeys(Keys):
    """`head.mtp`: DeepSeek-V3's sequential chain of extra predictions."""

    n_predict: Annotated[int, Field(ge=1, le=64)] = 1
    head_layers: Annotated[int, Field(ge=1, le=64)] = 1
    head_template: Text
    train_loss_weight: NonNegative = 0.1


class FinalNormKeys(Keys):
    """`head.final_norm`: the norm before the readout, where it is not the last layer's."""

    type: Literal["rmsnorm", "layernorm", "none"] | None = None
    eps: Annotated[float, Field(gt=0, lt=1)] | None = None
    unit_offset: bool | None = None
    affine: bool | None = None


class HeadKeys(Keys):
    """`head`: the readout."""

    type: Literal["causal_lm", "causal_lm_mtp"]
    tie_weights: bool | None = None
    logit_softcap: Positive | None = None
    logit_scale: Positive | None = None
    mtp: MtpKeys | None = None
    final_norm: FinalNormKeys | None = None


class ModeKeys(Keys):
    """One entry of `execution_modes`: a phase of generation (DeepSeek-R1, Quiet-STaR)."""

    name: Text
    max_tokens: Size
    kv_share: bool = False
    loss_weight: NonNegative = 1.0
    visible_to_user: bool = True
    per_token_rationale: bool = False


class TransitionKeys(Keys):
    """`transition`: what ends a phase."""

    type: Literal["special_token", "budget_exhausted"] = "special_token"
    token: Text | None = None


class ColumnKeys(Keys):
    """One entry of `tissue.columns`."""

    name: Text
    templates: Annotated[list[Text], Field(min_length=1)]
    role: Text | None = None


class TissueKeys(Keys):
    """`tissue`: which templates form which column, and how columns are joined."""

    columns: Annotated[list[ColumnKeys], Field(min_length=1)]
    connectivity: Literal["ring", "chain", "all_to_all", "none"] = "none"
    lateral_coef: NonNegative = 0.0


class QuantKeys(Keys):
    """`compatibility.quant_aware_training`: fake quantisation with a straight-through gradient."""

    enabled: bool = False
    dtype: Literal["fp4", "fp8", "int8"] = "fp4"
    scope: list[Text] = []
    dequant_to: Literal["fp4", "fp8", "bf16", "fp32"] | None = None


class CompatibilityKeys(Keys):
    """`compatibility`: what the model is compiled for."""

    compile_target: Literal["huggingface"] = "huggingface"
    dtype_policy: Literal["uniform", "layered_safe"] = "uniform"
    quant_aware_training: QuantKeys | None = None


class OptimizerGroupsKeys(Keys):
    """`training_hints.optimizer_groups`: globs over parameter names."""

    muon: list[Text] = []
    adamw: list[Text] = []


class MuonKeys(Keys):
    """`training_hints.muon`: the Newton-Schulz iteration of Muon."""

    ns_iters: Annotated[int, Field(ge=0, le=1000)] = 8
    ns_coefs: Annotated[list[float], Field(min_length=3, max_length=3)] = [3.4445, -4.7750, 2.0315]
    stabilize_iters: Annotated[int, Field(ge=0, le=1000)] = 2
    stabilize_coefs: Annotated[list[float], Field(min_length=3, max_length=3)] = [2.0, -1.5, 0.5]


class ScalingKeys(Keys):
    """`training_hints.scaling`: how initialisation and learning rates follow the width (Tensor Programs V)."""

    parametrization: Literal["standard", "mup"] = "standard"
    base_width: Size | None = None


class ObjectivesKeys(Keys):
    """`training_hints.differentiation_objectives`: auxiliary losses that drive routed units apart."""

    usage_probe_coef: NonNegative = 0.0
    router_mutual_information_coef: NonNegative = 0.0
    expert_orthogonality_coef: NonNegative = 0.0


class TrainingKeys(Keys):
    """`training_hints`: what our training loop reads and config.json carries."""

    init: Literal["normal_0.02", "scaled", "xavier", "small"] = "normal_0.02"
    init_std: Annotated[float, Field(ge=0, le=1)] = 0.02
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    checkpointing: bool = False
    seed: Count = 1234
    router_aux_loss_coef: NonNegative = 0.01
    lr_peak: Positive = 3e-4
    lr_floor_ratio: Annotated[float, Field(ge=0, le=1)] = 0.1
    betas: Annotated[list[Annotated[float, Field(ge=0, lt=1)]], Field(min_length=2, max_length=2)] = [0.9, 0.95]
    weight_decay: NonNegative = 0.1
    grad_clip: NonNegative = 1.0
    warmup_steps_ratio: Annotated[float, Field(ge=0, le=1)] = 0.03
    router_lr_multiplier: NonNegative = 1.0
    optimizer: Literal["adamw", "muon", "hybrid"] = "adamw"
    optimizer_groups: OptimizerGroupsKeys | None = None
    muon: MuonKeys | None = None
    scaling: ScalingKeys | None = None
    differentiation_objectives: ObjectivesKeys | None = None
