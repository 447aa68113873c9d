"""Selective state spaces: Mamba-1 (Gu & Dao 2023) and Mamba-2 (Dao & Gu 2024).

Tensor names and initial laws are HF's (`mamba`, `mamba2`, and `jamba` for the norms on Δ, B and C).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import ClassVar, Literal

from eulerstack.schema.base import ONES, ZEROS, Dims, Init, Keys, Parameter, Size, StateElements, linear
from eulerstack.schema.report import Report

PUBLISHED_HEAD_DIM = 64
PUBLISHED_CHUNK = 64
TIME_STEP = Init("inverse_softplus_log_uniform", arguments=(("low", 1e-3), ("high", 0.1), ("floor", 1e-4)))
"""The bias of Δ: softplus⁻¹ of a step drawn log-uniformly."""

MAMBA2_ONLY = ("head_dim", "n_groups", "chunk_size")
MAMBA1_ONLY = ("dt_rank", "norm_dt_b_c")


class MambaKeys(Keys):
    """`mixer.mamba` as an author writes it."""

    variant: Literal["mamba1", "mamba2"] = "mamba2"
    d_state: Size = 64
    d_conv: Size = 4
    expand: Size = 2
    head_dim: Size | None = None
    n_groups: Size | None = None
    chunk_size: Size | None = None
    dt_rank: Size | None = None
    norm_dt_b_c: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mamba:
    """Mamba with every number filled in; those of the other variant are None."""

    type: ClassVar[str] = "mamba"
    key: ClassVar[str] = "mamba"

    variant: Literal["mamba1", "mamba2"]
    d_state: int
    d_conv: int
    expand: int
    head_dim: int | None
    n_groups: int | None
    chunk_size: int | None
    dt_rank: int | None
    norm_dt_b_c: bool

    @classmethod
    def resolve(cls, keys: MambaKeys, dims: Dims) -> "Mamba":
        """mamba1's rank of Δ is ⌈d_model / 16⌉ where it is not written."""
        second = keys.variant == "mamba2"
        return cls(
            variant=keys.variant,
            d_state=keys.d_state,
            d_conv=keys.d_conv,
            expand=keys.expand,
            head_dim=(keys.head_dim or PUBLISHED_HEAD_DIM) if second else None,
            n_groups=(keys.n_groups or 1) if second else None,
            chunk_size=(keys.chunk_size or PUBLISHED_CHUNK) if second else None,
            dt_rank=None if second else keys.dt_rank or ceil(dims.d_model / 16),
            norm_dt_b_c=keys.norm_dt_b_c,
        )

    def parameters(self, d_model: int) -> Iterator[Parameter]:
        """The tensors of HF's MambaMixer or Mamba2Mixer."""
        inner = self.expand * d_model
        if self.variant == "mamba1":
            yield from self._first(d_model, inner)
        else:
            yield from self._second(d_model, inner)
        yield from linear("out_proj", inner, d_model, kind="residual")

    def state_elements(self, d_model: int, tokens: int) -> StateElements:
        """The recurrence's state and the convolution's last inputs, however many tokens there were."""
        inner = self.expand * d_model
        return {"fp32": inner * self.d_state, "model": self._convolved(inner) * (self.d_conv - 1)}

    def _convolved(self, inner: int) -> int:
        return inner if self.variant == "mamba1" else inner + 2 * (self.n_groups or 1) * self.d_state

    def _first(self, d_model: int, inner: int) -> Iterator[Parameter]:
        rank, state = self.dt_rank or 0, self.d_state
        yield from linear("in_proj", d_model, 2 * inner)
        yield from depthwise_conv("conv1d", inner, self.d_conv)
        yield from linear("x_proj", inner, rank + 2 * state)
        yield Parameter("dt_proj.weight", (inner, rank), uniform(rank**-0.5))
        yield Parameter("dt_proj.bias", (inner,), TIME_STEP)
        yield Parameter("A_log", (inner, state), Init("log_of_index"), fp32=True)
        yield Parameter("D", (inner,), ONES, fp32=True)
        if self.norm_dt_b_c:
            yield Parameter("dt_layernorm.weight", (rank,), ONES)
            yield Parameter("b_layernorm.weight", (state,), ONES)
            yield Parameter("c_layernorm.weight", (state,), ONES)

    def _second(self, d_model: int, inner: int) -> Iterator[Parameter]:
        heads = inner // (self.head_dim or inner)
        convolved = self._convolved(inner)
        yield from linear("in_proj", d_model, inner + convolved + heads)
        yield from depthwise_conv("conv1d", convolved, self.d_conv)
        yield Parameter("dt_bias", (heads,), TIME_STEP, fp32=True)
        yield Parameter("A_log", (heads,), Init("log_of_index"), fp32=True)
        yield Parameter("D", (heads,), ONES, fp32=True)
        yield Parameter("norm.weight", (inner,), ONES)


def uniform(bound: float) -> Init:
    """U(−bound, bound)."""
    return Init("uniform", arguments=(("low", -bound), ("high", bound)))


def depthwise_conv(name: str, channels: int, width: int, *, bias: bool = True) -> Iterator[Parameter]:
    """The parameters of a depthwise `nn.Conv1d`, started as PyTorch does."""
    yield Parameter(f"{name}.weight", (channels, 1, width), uniform(width**-0.5))
    if bias:
        yield Parameter(f"{name}.bias", (channels,), ZEROS)


def check(keys: MambaKeys, dims: Dims, report: Report) -> None:
    """The variant's own keys, and heads and groups that divide."""
    for name in MAMBA1_ONLY if keys.variant == "mamba2" else MAMBA2_ONLY:
        if getattr(keys, name):
            report("mamba-key-of-other-variant", (name,), name=name, variant=keys.variant)
    if keys.variant == "mamba1":
        return
    inner, head_dim = keys.expand * dims.d_model, keys.head_dim or PUBLISHED_HEAD_DIM
    n_groups = keys.n_groups or 1
    if inner % head_dim:
        report("mamba-heads-not-dividing", ("head_dim",), inner=inner, head_dim=head_dim)
    elif (inner // head_dim) % n_groups:
        report("mamba-groups-not-dividing", ("n_groups",), n_heads=inner // head_dim, n_groups=n_groups)
