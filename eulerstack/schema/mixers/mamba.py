"""Selective state spaces: Mamba-1 (Gu & Dao 2023) and Mamba-2 (Dao & Gu 2024).

Tensor names and initial laws are HF's (`mamba`, `mamba2`, and `jamba` for the norms on Δ, B and C).
"""

from collections.abc import Iterator
from math import ceil
from typing import ClassVar, Literal

from eulerstack.records import dataclass
from eulerstack.schema.base import (
    ONES,
    ZEROS,
    Dims,
    Init,
    Keys,
    NonNegative,
    Parameter,
    Positive,
    Size,
    StateElements,
    linear,
)
from eulerstack.schema.report import Report
from eulerstack.schema.saved import Saved
from eulerstack.schema.work import Call, Work, applied, product, scan

PUBLISHED_EXPAND = 2
PUBLISHED_HEAD_DIM = 64
PUBLISHED_CHUNK = 64
TIME_STEP = Init("inverse_softplus_log_uniform", arguments=(("low", 1e-3), ("high", 0.1), ("floor", 1e-4)))
"""The bias of Δ: softplus⁻¹ of a step drawn log-uniformly."""

SCANNED = 32
"""How many tokens mamba1's scan takes at a time; a state is kept for each."""

MAMBA2_ONLY = (
    "head_dim",
    "n_groups",
    "chunk_size",
    "dt_min",
    "dt_max",
    "gated_norm",
    "multipliers",
)
MAMBA1_ONLY = ("dt_rank", "norm_dt_b_c")


class MultipliersKeys(Keys):
    """`mamba.multipliers`: fixed factors of the parts of the input projection (Falcon-H1)."""

    gate: float = 1.0
    input: float = 1.0
    b: float = 1.0
    c: float = 1.0
    dt: float = 1.0


class MambaKeys(Keys):
    """`mixer.mamba` as an author writes it."""

    variant: Literal["mamba1", "mamba2"] = "mamba2"
    d_state: Size = 64
    d_conv: Size = 4
    expand: Size | None = PUBLISHED_EXPAND
    head_dim: Size | None = None
    n_groups: Size | None = None
    chunk_size: Size | None = None
    dt_rank: Size | None = None
    norm_dt_b_c: bool = False
    d_inner: Size | None = None
    in_bias: bool = False
    out_bias: bool = False
    conv_bias: bool = True
    activation: Literal["silu", "gelu", "gelu_tanh", "relu", "relu2"] = "silu"
    dt_min: NonNegative | None = None
    dt_max: Positive | None = None
    gated_norm: Literal["after", "before", "none"] | None = None
    multipliers: MultipliersKeys | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Multipliers:
    """Fixed factors of the gate, of the input, B and C before the convolution, and of Δ before its bias."""

    gate: float
    input: float
    b: float
    c: float
    dt: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Mamba:
    """Mamba with every number filled in; those of the other variant are None.

    `expand` is None where `d_inner` says the inner width; `dt_min` and `dt_max` where Δ is not bounded, and
    `multipliers` where there are none.
    """

    type: ClassVar[str] = "mamba"
    key: ClassVar[str] = "mamba"

    variant: Literal["mamba1", "mamba2"]
    d_state: int
    d_conv: int
    expand: int | None
    head_dim: int | None
    n_groups: int | None
    chunk_size: int | None
    dt_rank: int | None
    norm_dt_b_c: bool
    d_inner: int | None
    in_bias: bool
    out_bias: bool
    conv_bias: bool
    activation: Literal["silu", "gelu", "gelu_tanh", "relu", "relu2"]
    dt_min: float | None
    dt_max: float | None
    gated_norm: Literal["after", "before", "none"] | None
    multipliers: Multipliers | None

    @classmethod
    def resolve(cls, keys: MambaKeys, dims: Dims) -> "Mamba":
        """mamba1's rank of Δ is ⌈d_model / 16⌉ where it is not written."""
        second = keys.variant == "mamba2"
        return cls(
            variant=keys.variant,
            d_state=keys.d_state,
            d_conv=keys.d_conv,
            expand=None if keys.d_inner else keys.expand or PUBLISHED_EXPAND,
            head_dim=(keys.head_dim or PUBLISHED_HEAD_DIM) if second else None,
            n_groups=(keys.n_groups or 1) if second else None,
            chunk_size=(keys.chunk_size or PUBLISHED_CHUNK) if second else None,
            dt_rank=None if second else keys.dt_rank or ceil(dims.d_model / 16),
            norm_dt_b_c=keys.norm_dt_b_c,
            d_inner=keys.d_inner,
            in_bias=keys.in_bias,
            out_bias=keys.out_bias,
            conv_bias=keys.conv_bias,
            activation=keys.activation,
            dt_min=keys.dt_min or None,
            dt_max=keys.dt_max,
            gated_norm=(keys.gated_norm or "after") if second else None,
            multipliers=_multipliers(keys.multipliers),
        )

    def inner(self, d_model: int) -> int:
        """How many channels the recurrence has."""
        return self.d_inner or (self.expand or 1) * d_model

    def parameters(self, d_model: int) -> Iterator[Parameter]:
        """The tensors of HF's MambaMixer or Mamba2Mixer."""
        inner = self.inner(d_model)
        if self.variant == "mamba1":
            yield from self._first(d_model, inner)
        else:
            yield from self._second(d_model, inner)
        yield from linear("out_proj", inner, d_model, bias=self.out_bias, kind="residual")

    def state_elements(self, d_model: int, tokens: int) -> StateElements:
        """The recurrence's state and the convolution's last inputs, however many tokens there were."""
        inner = self.inner(d_model)
        return {"fp32": inner * self.d_state, "model": self._convolved(inner) * (self.d_conv - 1)}

    def work(self, d_model: int, call: Call) -> Work:
        """Projections and convolution, and the recurrence.

        mamba1: a scan of 5·N + 1 operations a channel and token (Δ·x, and for each number of state Δ·A, its
        exponential, Δ·x·B, a multiply-add), backwards 14·N + 4, for it runs again there; reading y = h·C is a product.
        mamba2: in each chunk of Q tokens Q²·N a group for C·Bᵀ, Q²·P a head for its values, and Q·N·P each for the
        state written and read; carrying it on is a scan of 2·N·P a chunk. With one chunk no gradient needs the states.
        """
        inner = self.inner(d_model)
        around = applied(self.parameters(d_model), call.rows)
        return around + (self._scan(inner, call) if self.variant == "mamba1" else self._chunks(inner, call))

    def _scan(self, inner: int, call: Call) -> Work:
        channels, state = call.rows * inner, call.rows * inner * self.d_state
        ran = scan(5 * state + channels, 14 * state + 4 * channels)
        return ran + (scan(2 * state) if call.tokens == 1 else product(state, grads=3))

    def _chunks(self, inner: int, call: Call) -> Work:
        size = min(self.chunk_size or PUBLISHED_CHUNK, call.tokens)
        chunks = call.batch * -(-call.tokens // size)
        several = call.tokens > size
        squares = chunks * size * size
        within = product(squares, (self.n_groups or 1) * self.d_state + inner)
        state = inner * self.d_state
        written = product(chunks * size, state, grads=2 if several else 0)
        read = product(chunks * size, state, grads=2 if several else 1)
        return within + written + read + scan(2 * chunks * state, 4 * chunks * state)

    def saved(self, d_model: int, call: Call) -> Saved:
        """The input projection, the convolution before, after and activated, and what the output projection reads.

        In fp32 for mamba1 Δ before and after its softplus, the outputs before, with and after the gate, and a state for
        every `SCANNED` tokens, for the scan runs again backwards; for mamba2 two squares of each chunk for each head
        (its decays, its scores), the inputs, decayed and laid out, B and C for each head, states, gate and norm.
        """
        inner = self.inner(d_model)
        convolved = self._convolved(inner)
        if self.variant == "mamba1":
            steps = (self.dt_rank or 0) + 2 * self.d_state
            outer, state = d_model + 6 * inner + steps, inner * self.d_state / min(SCANNED, call.tokens)
            copies = 2 * inner + 2 * self.d_state
            return Saved(model=call.rows * outer, fp32=call.rows * (5 * inner + state), copies=call.rows * copies)
        heads, size = inner // (self.head_dim or inner), min(self.chunk_size or PUBLISHED_CHUNK, call.tokens)
        shared = (self.n_groups or 1) * self.d_state
        squares = (2 * heads + (self.n_groups or 1)) * size
        laid_out = 2 * heads * self.d_state + 2 * shared + 2 * inner * self.d_state / size
        kept = 4 * inner if self.gated_norm == "none" else 8 * inner
        outer = d_model + 4 * convolved + 2 * inner + heads
        copies = convolved + inner + heads
        wide = squares + laid_out + kept + 5 * heads
        return Saved(model=call.rows * outer, fp32=call.rows * wide, copies=call.rows * copies)

    def _convolved(self, inner: int) -> int:
        return inner if self.variant == "mamba1" else inner + 2 * (self.n_groups or 1) * self.d_state

    def _first(self, d_model: int, inner: int) -> Iterator[Parameter]:
        rank, state = self.dt_rank or 0, self.d_state
        yield from linear("in_proj", d_model, 2 * inner, bias=self.in_bias)
        yield from depthwise_conv("conv1d", inner, self.d_conv, bias=self.conv_bias)
        yield from linear("x_proj", inner, rank + 2 * state)
        yield Parameter("dt_proj.weight", (inner, rank), uniform(rank**-0.5, rank, inner))
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
        yield from linear("in_proj", d_model, inner + convolved + heads, bias=self.in_bias)
        yield from depthwise_conv("conv1d", convolved, self.d_conv, bias=self.conv_bias)
        yield Parameter("dt_bias", (heads,), TIME_STEP, fp32=True)
        yield Parameter("A_log", (heads,), Init("log_of_index", fan_out=heads), fp32=True)
        yield Parameter("D", (heads,), ONES, fp32=True)
        if self.gated_norm != "none":
            yield Parameter("norm.weight", (inner,), ONES)


def _multipliers(keys: MultipliersKeys | None) -> Multipliers | None:
    """None where all are 1."""
    written = Multipliers(**dict(keys or MultipliersKeys()))
    return None if written == Multipliers(gate=1.0, input=1.0, b=1.0, c=1.0, dt=1.0) else written


def uniform(bound: float, fan_in: int = 0, fan_out: int = 0) -> Init:
    """U(−bound, bound)."""
    return Init("uniform", fan_in, fan_out, arguments=(("low", -bound), ("high", bound)))


def depthwise_conv(name: str, channels: int, width: int, *, bias: bool = True) -> Iterator[Parameter]:
    """The parameters of a depthwise `nn.Conv1d`, started as PyTorch does."""
    yield Parameter(f"{name}.weight", (channels, 1, width), uniform(width**-0.5))
    if bias:
        yield Parameter(f"{name}.bias", (channels,), ZEROS)


def check(keys: MambaKeys, dims: Dims, report: Report) -> None:
    """One inner width, the variant's own keys, bounds in order, and heads and groups that divide."""
    if keys.d_inner and keys.expand and "expand" in keys.model_fields_set:
        report("mamba-two-widths", ("d_inner",), d_inner=keys.d_inner, expand=keys.expand)
    for name in MAMBA1_ONLY if keys.variant == "mamba2" else MAMBA2_ONLY:
        if getattr(keys, name):
            report("mamba-key-of-other-variant", (name,), name=name, variant=keys.variant)
    if keys.variant == "mamba1":
        return
    if keys.dt_max is not None and keys.dt_max < (keys.dt_min or 0.0):
        report("mamba-bounds-crossed", ("dt_max",), dt_min=keys.dt_min, dt_max=keys.dt_max)
    inner = keys.d_inner or (keys.expand or PUBLISHED_EXPAND) * dims.d_model
    head_dim = keys.head_dim or PUBLISHED_HEAD_DIM
    n_groups = keys.n_groups or 1
    if inner % head_dim:
        report("mamba-heads-not-dividing", ("head_dim",), inner=inner, head_dim=head_dim)
    elif (inner // head_dim) % n_groups:
        report("mamba-groups-not-dividing", ("n_groups",), n_heads=inner // head_dim, n_groups=n_groups)
