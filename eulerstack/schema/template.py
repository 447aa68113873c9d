"""`layer_templates.<name>`: one layer, from mixer to shape change."""

from typing import Annotated, Literal

from pydantic import Field

from eulerstack.schema.base import Keys, Size
from eulerstack.schema.ffn import FfnKeys
from eulerstack.schema.memory import MemoryKeys
from eulerstack.schema.mixers import MixerKeys

NormType = Literal["rmsnorm", "layernorm"]
NormPosition = Literal["pre", "post", "sandwich", "output"]
Scaling = Annotated[float, Field(ge=-1e6, le=1e6)]


class NormKeys(Keys):
    """`norm`: which normalisation, and where it stands around a branch f."""

    type: NormType = "rmsnorm"
    position: NormPosition = "pre"
    eps: Annotated[float, Field(gt=0, lt=1)] | None = None
    unit_offset: bool = False
    affine: bool = True


class HyperKeys(Keys):
    """`residual.hyper`: n parallel residual streams and how they mix (Zhu 2024; mHC, DeepSeek-V4)."""

    expand: Annotated[int, Field(ge=1, le=64)]
    mixing: Literal["birkhoff", "unconstrained", "learned_lowrank"] = "birkhoff"
    sinkhorn_iters: Annotated[int, Field(ge=0, le=1000)] = 3


class ResidualKeys(Keys):
    """`residual`: how a branch joins the stream."""

    type: Literal["sequential", "parallel", "hyper_connection"] = "sequential"
    scaling: Scaling = 1.0
    hyper: HyperKeys | None = None


class StateKeys(Keys):
    """`state`: assertions about the mixer's decoding state."""

    kv_cache: bool | None = None
    ssm_state: bool | None = None


class ShapeChangeKeys(Keys):
    """`shape_change`: from this layer on the stream has another width (Hourglass, Nawrot 2021)."""

    d_out: Size
    projection: Literal["linear", "conv1d", "mlp"] = "linear"


class FfnFactorsKeys(Keys):
    """`ffn_factors`: fixed factors inside a gated MLP (Falcon-H1, Zuo 2025)."""

    gate: float = 1.0
    output: float = 1.0


class TemplateKeys(Keys):
    """One layer template."""

    mixer: MixerKeys
    ffn: FfnKeys
    norm: NormKeys = NormKeys.model_construct()
    residual: ResidualKeys = ResidualKeys.model_construct()
    state: StateKeys = StateKeys.model_construct()
    memory: MemoryKeys | None = None
    shape_change: ShapeChangeKeys | None = None
    ffn_factors: FfnFactorsKeys | None = None
