"""Layer 3: the model as the spec means it. Frozen, canonical, every default filled, the schedule expanded."""

from typing import Any, Literal

from eulerstack.records import dataclass
from eulerstack.schema.memory import Memory
from eulerstack.schema.primitive import Mixer, Primitive


@dataclass(frozen=True, slots=True, kw_only=True)
class Norm:
    """A template's normalisation. Without `affine` it has no weight and no bias."""

    type: Literal["rmsnorm", "layernorm"]
    position: Literal["pre", "post", "sandwich", "output"]
    eps: float
    unit_offset: bool
    affine: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HyperConnection:
    """`residual.hyper`: n parallel residual streams and how they mix."""

    expand: int
    mixing: Literal["birkhoff", "unconstrained", "learned_lowrank"]
    sinkhorn_iters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """How a branch joins the residual stream."""

    type: Literal["sequential", "parallel", "hyper_connection"]
    scaling: float
    hyper: HyperConnection | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeChange:
    """Hourglass: the stream's width becomes `d_out` from this layer on."""

    d_out: int
    projection: Literal["linear", "conv1d", "mlp"]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """`state`: assertions about the mixer's decoding state, as written (None: not asserted)."""

    kv_cache: bool | None
    ssm_state: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FfnFactors:
    """What a gated MLP multiplies its gate, before the activation, and its output with."""

    gate: float
    output: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One distinct resolved layer: a template, its overrides applied, at one width of the stream.

    `name` is unique in the model and is a template's name in the printed YAML. `d_model` is the width the mixer and ffn
    work at (after `shape_change`), `d_in` the width that enters.
    """

    name: str
    d_in: int
    d_model: int
    mixer: Mixer
    ffn: Primitive | None
    norm: Norm
    residual: Residual
    state: State
    memory: Memory | None
    shape_change: ShapeChange | None
    ffn_factors: FfnFactors | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthGating:
    """Mixture-of-Depths on one schedule entry."""

    capacity: float
    router: Literal["top_k", "learned_gate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One expanded layer: which block, and how it stands in the schedule.

    `share`: layers with one tag are one module. `kv_from`: negative offset in expanded layers, or None.
    """

    block: str
    share: str | None = None
    kv_from: int | None = None
    depth_gating: DepthGating | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One of the parallel streams: plain layers, expanded."""

    name: str
    body: tuple[Layer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """How parallel streams' changes become one change of the residual stream."""

    type: Literal["concat", "add", "gated", "cross_attn"]
    projection: bool
    source: str | None
    target: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parallel:
    """Streams side by side, from the same state."""

    streams: tuple[Stream, ...]
    merge: Merge


@dataclass(frozen=True, slots=True, kw_only=True)
class Integrator:
    """A body applied along τ ∈ [0, 1]."""

    type: Literal["discrete", "ode_euler", "ode_rk4"]
    steps: int
    body: tuple[Layer, ...]
    output: Literal["token", "hidden"]


Node = Layer | Parallel | Integrator


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding:
    """Token embedding and positions. `rope_scaling` holds the type and that type's own keys, or is None.

    `d_embed` is the width of the token table; where it is not d_model, a projection leads in and another one out.
    Without `train_padding` the pad token's row learns nothing from being looked up.
    """

    type: Literal["learned"]
    positional: Literal["rope", "none", "alibi", "learned"]
    rope_theta: float
    rope_scaling: dict[str, Any] | None
    tie_word_embeddings: bool
    scale: float
    d_embed: int
    train_padding: bool
    dropout: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiTokenPrediction:
    """`head.mtp`: DeepSeek-V3's sequential chain of extra predictions."""

    n_predict: int
    head_layers: int
    head_template: str
    train_loss_weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The final norm and the readout. `final_norm` None: the model ends without one (post-norm stacks)."""

    type: Literal["causal_lm", "causal_lm_mtp"]
    tie_weights: bool
    logit_softcap: float | None
    logit_scale: float | None
    final_norm: Norm | None
    mtp: MultiTokenPrediction | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A whole model. Sections that the architecture does not read are kept as plain canonical mappings."""

    name: str
    d_model: int
    vocab_size: int
    max_seq_len: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    d_ff: int
    mlp_ratio: float
    norm_eps: float
    dtype: Literal["float32", "float16", "bfloat16"]
    family_hint: str | None
    target_params: int | None
    tokenizer: dict[str, Any]
    embedding: Embedding
    blocks: tuple[Block, ...]
    schedule: tuple[Node, ...]
    head: Head
    training_hints: dict[str, Any]
    compatibility: dict[str, Any]
    execution_modes: list[dict[str, Any]] | None
    transition: dict[str, Any] | None
    tissue: dict[str, Any] | None
    about: dict[str, Any] | None
    reserved: dict[str, Any]

    def block(self, name: str) -> Block:
        """The block with this name."""
        return next(block for block in self.blocks if block.name == name)
