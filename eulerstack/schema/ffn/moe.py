"""Mixture of experts: Shazeer 2017, Switch (Fedus 2021), Mixtral 2024, DeepSeek-V3 2024, DeepSeek-V4.

Experts are gated where `gated` says so, else where the activation is swiglu or geglu, and two-matrix MLPs otherwise.
"""

from collections.abc import Iterator
from math import ceil
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from eulerstack.records import dataclass
from eulerstack.schema.base import (
    ZEROS,
    Count,
    Init,
    Keys,
    NonNegative,
    Parameter,
    Positive,
    Size,
    linear,
)
from eulerstack.schema.ffn.dense import GATES, Activation, Function, gate_of
from eulerstack.schema.report import Report
from eulerstack.schema.saved import Saved
from eulerstack.schema.work import Call, Work, applied, product

PUBLISHED_GROUPS = 8
"""DeepSeek-V3's number of expert groups, where a group limit is written without `n_groups`."""


class BiasCorrectionKeys(Keys):
    """`moe.bias_correction`: balance by a bias on the choice instead of a loss."""

    enabled: bool = False
    update_rate: NonNegative = 1e-3
    target_imbalance: NonNegative = 0.0


Salt = Annotated[int, Field(ge=-(2**63), lt=2**63)]


class RoutingKeys(Keys):
    """`moe.routing`: what chooses the experts."""

    type: Literal["learned", "hash"] = "learned"
    hash_salt: Salt | None = None


class BalanceKeys(Keys):
    """`moe.balance`: DeepSeek's per-sequence loss and group-limited choice."""

    sequence_aux_coef: NonNegative = 0.0
    group_limit: Size | None = None
    group_score: Literal["top2", "max"] = "top2"


class GatingKeys(Keys):
    """`moe.gating`: how gate and up meet, where not as f(gate) ⊙ up."""

    limit: Positive | None = None
    slope: Positive = 1.0
    up_offset: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gating:
    """f(min(gate, limit)) ⊙ (up within ±limit + up_offset), with f(g) = g·σ(slope·g) where slope is not 1."""

    limit: float | None
    slope: float
    up_offset: float

    @classmethod
    def resolve(cls, keys: GatingKeys | None) -> "Gating | None":
        """None for the plain form."""
        return None if keys is None or keys == GatingKeys() else cls(**dict(keys))


class MoeKeys(Keys):
    """`ffn.moe` as an author writes it."""

    experts: Size
    top_k: Size
    router: Literal["softmax", "sigmoid"] | None = None
    affinity: Literal["softmax", "sigmoid", "sqrt_softplus"] | None = None
    z_loss: NonNegative = 0.0
    load_balance_coef: NonNegative | None = None
    capacity_factor: Positive = 1.0
    capacity_drop_policy: Literal["overflow", "drop", "pad"] = "overflow"
    router_init_std: Positive | None = None
    router_jitter: NonNegative = 0.0
    router_bias: bool = False
    bias_correction: BiasCorrectionKeys = BiasCorrectionKeys.model_construct()
    shared_experts: Count = 0
    routing: RoutingKeys = RoutingKeys.model_construct()
    balance: BalanceKeys = BalanceKeys.model_construct()
    d_expert: Size | None = None
    d_shared: Size | None = None
    n_groups: Size | None = None
    routed_scale: Positive = 1.0
    norm_top_k: bool | None = None
    shared_gate: bool = False
    gated: bool | None = None
    gating: GatingKeys | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BiasCorrection:
    """b += update_rate · sign(mean load − load), where the load is off by more than `target_imbalance` of the mean."""

    enabled: bool
    update_rate: float
    target_imbalance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """A learned choice, or one fixed by a hash of the token's id."""

    type: Literal["learned", "hash"]
    hash_salt: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """`group_limit`: how many groups of experts a token may choose from (None: all), `group_score`: by what."""

    sequence_aux_coef: float
    group_limit: int | None
    group_score: Literal["top2", "max"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moe:
    """Experts with every number filled in; the router's score function is spelled `affinity`.

    `load_balance_coef` None: training_hints.router_aux_loss_coef; `router_init_std` None: training_hints.init.
    """

    type: ClassVar[str] = "moe"
    key: ClassVar[str] = "moe"

    activation: Function
    bias: bool
    experts: int
    top_k: int
    affinity: Literal["softmax", "sigmoid", "sqrt_softplus"]
    z_loss: float
    load_balance_coef: float | None
    capacity_factor: float
    capacity_drop_policy: Literal["overflow", "drop", "pad"]
    router_init_std: float | None
    router_jitter: float
    router_bias: bool
    bias_correction: BiasCorrection
    shared_experts: int
    routing: Routing
    balance: Balance
    d_expert: int
    d_shared: int
    n_groups: int
    routed_scale: float
    norm_top_k: bool
    shared_gate: bool
    gated: bool
    gating: Gating | None

    @classmethod
    def resolve(cls, keys: MoeKeys, activation: Activation, bias: bool, d_ff: int) -> "Moe":
        """`d_ff` is the width that experts take where they name none."""
        d_expert = keys.d_expert or d_ff
        return cls(
            activation=gate_of(activation),
            bias=bias,
            experts=keys.experts,
            top_k=keys.top_k,
            affinity=keys.affinity or keys.router or "softmax",
            z_loss=keys.z_loss,
            load_balance_coef=keys.load_balance_coef,
            capacity_factor=keys.capacity_factor,
            capacity_drop_policy=keys.capacity_drop_policy,
            router_init_std=keys.router_init_std,
            router_jitter=keys.router_jitter,
            router_bias=keys.router_bias,
            bias_correction=BiasCorrection(**dict(keys.bias_correction)),
            shared_experts=keys.shared_experts,
            routing=Routing(**dict(keys.routing)),
            balance=Balance(**dict(keys.balance)),
            d_expert=d_expert,
            d_shared=keys.d_shared or d_expert,
            n_groups=groups(keys),
            routed_scale=keys.routed_scale,
            # One expert's renormalised weight is always 1 and would give its router no gradient.
            shared_gate=keys.shared_gate,
            norm_top_k=keys.top_k > 1 if keys.norm_top_k is None else keys.norm_top_k,
            gated=is_gated(keys, activation),
            gating=Gating.resolve(keys.gating),
        )

    def parameters(self, d_model: int) -> Iterator[Parameter]:
        """E·(2 or 3)·d·f for the experts, d·E for the router, one dense layer for all shared experts together."""
        own = () if self.router_init_std is None else (("std", self.router_init_std),)
        yield Parameter("router.weight", (self.experts, d_model), Init("router", d_model, self.experts, arguments=own))
        if self.router_bias:
            yield Parameter("router.bias", (self.experts,), ZEROS)
        if self.bias_correction.enabled:
            yield Parameter("router.e_score_correction_bias", (self.experts,), ZEROS, fp32=True, buffer=True)
        up, width = ("gate_up_proj", 2 * self.d_expert) if self.gated else ("up_proj", self.d_expert)
        yield from self._stacked(up, d_model, width, "hidden")
        yield from self._stacked("down_proj", self.d_expert, d_model, "residual")
        if self.shared_experts:
            shared = self.shared_experts * self.d_shared
            for name in ("gate_proj", "up_proj") if self.gated else ("up_proj",):
                yield from linear(f"shared.{name}", d_model, shared, bias=self.bias)
            yield from linear("shared.down_proj", shared, d_model, bias=self.bias, kind="residual")
        if self.shared_gate:
            yield from linear("shared_gate", d_model, 1)

    def work(self, d_model: int, call: Call) -> Work:
        """Router, shared experts, and each token's `top_k` experts; in training with policy pad every expert's rows up
        to its capacity, used or not.
        """
        rows = call.rows * self.top_k
        if call.training and self.capacity_drop_policy == "pad":
            rows = self.experts * max(1, ceil(self.capacity_factor * rows / self.experts))
        return applied(self.parameters(d_model), call.rows) + self.routed(d_model, rows)

    def routed(self, d_model: int, rows: int) -> Work:
        """`rows` choices of one expert each."""
        return product(rows, 3 if self.gated else 2, d_model, self.d_expert)

    def saved(self, d_model: int, call: Call) -> Saved:
        """The input once; of every token and expert a copy of it, the expert's hidden layer as a dense one's, and its
        output, which its weight needs; scores; shared experts.
        """
        rows = call.rows * self.top_k
        if call.training and self.capacity_drop_policy == "pad":
            rows = self.experts * max(1, ceil(self.capacity_factor * rows / self.experts))
        routed = self.routed_saved(d_model, rows)
        around = Saved(model=call.rows * d_model, fp32=call.rows * 2 * self.experts)
        shared = Saved(model=call.rows * self._hidden(self.shared_experts * self.d_shared))
        return around + routed + shared + Saved(model=call.rows * d_model * (1 if self.shared_gate else 0))

    def routed_saved(self, d_model: int, rows: int) -> Saved:
        """What `rows` choices of one expert each keep."""
        return Saved(model=rows * (2 * d_model + self._hidden(self.d_expert)), index=4 * rows)

    def _hidden(self, width: int) -> int:
        if self.gating:
            return 7 * width
        if self.gated:
            return (3 if self.activation == "relu" else 4) * width
        return (1 if self.activation == "relu" else 2) * width

    def _stacked(self, name: str, d_in: int, d_out: int, kind: str) -> Iterator[Parameter]:
        active = self.top_k * d_in * d_out
        yield Parameter(f"experts.{name}", (self.experts, d_out, d_in), Init(kind, d_in, d_out), active)
        if self.bias:
            yield Parameter(f"experts.{name}_bias", (self.experts, d_out), ZEROS, self.top_k * d_out)


def is_gated(keys: MoeKeys, activation: Activation) -> bool:
    """Whether experts are gated: as written, else where the activation is."""
    return activation in GATES if keys.gated is None else keys.gated


def groups(keys: MoeKeys) -> int:
    """The number of expert groups: written, else DeepSeek-V3's where a limit is written, else one."""
    return keys.n_groups or (PUBLISHED_GROUPS if keys.balance.group_limit else 1)


def check(keys: MoeKeys, activation: Activation | None, d_ff: int, report: Report) -> None:
    """What one mixture's keys must say of each other and of their ffn's; paths below `ffn.moe`."""
    if keys.top_k > keys.experts:
        report("top-k-above-experts", ("top_k",), top_k=keys.top_k, experts=keys.experts)
    if keys.affinity and keys.router and keys.affinity != keys.router:
        report("router-against-affinity", ("router",), router=keys.router, affinity=keys.affinity)
    if keys.gated is False and activation in GATES:
        report("experts-gated-by-activation", ("gated",), activation=activation, function=gate_of(activation))
    if keys.gating and not is_gated(keys, activation or "swiglu"):
        report("gating-without-gate", ("gating",))
    elif keys.gating and keys.gating.slope != 1.0 and gate_of(activation or "swiglu") != "silu":
        report("slope-without-silu", ("gating", "slope"), activation=activation)
    if keys.d_shared and not keys.shared_experts and keys.d_shared != (keys.d_expert or d_ff):
        report("d-shared-unused", ("d_shared",))
    if keys.shared_gate and not keys.shared_experts:
        report("shared-gate-unused", ("shared_gate",))
    _check_routing(keys, report)
    _check_groups(keys, report)


def _check_routing(keys: MoeKeys, report: Report) -> None:
    if keys.routing.type == "hash" and keys.routing.hash_salt is None:
        report("hash-salt-missing", ("routing", "type"))
    if keys.routing.type == "learned" and keys.routing.hash_salt is not None:
        report("hash-salt-unused", ("routing", "hash_salt"))
    if keys.routing.type == "hash" and keys.bias_correction.enabled:
        report("hash-with-bias-correction", ("bias_correction", "enabled"))


def _check_groups(keys: MoeKeys, report: Report) -> None:
    n_groups, limit = groups(keys), keys.balance.group_limit
    place = ("n_groups",) if keys.n_groups else ("balance", "group_limit")
    if keys.experts % n_groups:
        report("experts-not-grouped", place, experts=keys.experts, n_groups=n_groups)
    elif limit and limit > n_groups:
        report("group-limit-above-groups", ("balance", "group_limit"), group_limit=limit, n_groups=n_groups)
    elif limit and keys.top_k > limit * (keys.experts // n_groups):
        reachable = limit * (keys.experts // n_groups)
        report("top-k-above-groups", ("top_k",), top_k=keys.top_k, reachable=reachable)
    if n_groups == 1 and keys.balance.group_score != "top2":
        report("group-score-unused", ("balance", "group_score"))
    if n_groups > 1 and not limit:
        report("groups-without-limit", ("n_groups",), n_groups=n_groups)
