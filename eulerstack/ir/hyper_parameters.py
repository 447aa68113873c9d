"""The tensors of hyper-connections: around each branch, and where n streams become one again.

From scratch a connection begins as a plain residual one: mHC reads each stream with σ = 1/n, writes to all and mixes
hardly at all; the unconstrained form reads one stream, another for each branch, so that streams grow apart.
"""

from collections.abc import Iterator
from math import log

from eulerstack.ir.nodes import HyperConnection
from eulerstack.schema.base import ONES, ZEROS, Init, Parameter

SMALL_SCALE = Init("constant", value=0.01)
"""How much the dynamic part weighs at first."""

SEPARATION = -8.0
"""mHC's initial logit between different streams, beside 0 on the diagonal."""


def connection_parameters(hyper: HyperConnection, d_model: int, branch: int) -> Iterator[Parameter]:
    """What one branch (0: mixer, 1: ffn) of a layer has, named below `mixer_hyper` or `ffn_hyper`."""
    n = hyper.expand
    match hyper.mixing:
        case "birkhoff":
            yield from _birkhoff(n, d_model)
        case "unconstrained":
            yield from _unconstrained(n, d_model, branch % n)
        case "learned_lowrank":
            rank = (n + 1) // 2
            yield _fp32("pre", (n,), Init("constant", value=1 / n))
            yield _fp32("post", (n,), ONES)
            yield _fp32("left", (n, rank), Init("hidden", fan_in=rank, fan_out=n))
            yield _fp32("right", (n, rank), ZEROS)


def collapse_parameters(hyper: HyperConnection, d_model: int) -> Iterator[Parameter]:
    """What the end of a run of hyper-connected layers has: mHC's learned collapse; the other forms need none."""
    if hyper.mixing == "birkhoff":
        n = hyper.expand
        yield _fp32("fn", (n, n * d_model), Init("hidden", fan_in=n * d_model, fan_out=n))
        yield _fp32("base", (n,), Init("constant", value=_logit_of_share(n)))
        yield _fp32("scale", (1,), SMALL_SCALE)


def _fp32(name: str, shape: tuple[int, ...], init: Init) -> Parameter:
    return Parameter(name, shape, init, fp32=True)


def _birkhoff(n: int, d: int) -> Iterator[Parameter]:
    outputs = (2 + n) * n
    mixing = [0.0 if row == column else SEPARATION for row in range(n) for column in range(n)]
    yield _fp32("fn", (outputs, n * d), Init("hidden", fan_in=n * d, fan_out=outputs))
    yield _fp32("base", (outputs,), Init("values", values=(*[_logit_of_share(n)] * n, *[0.0] * n, *mixing)))
    yield _fp32("scale", (3,), SMALL_SCALE)


def _unconstrained(n: int, d: int, read: int) -> Iterator[Parameter]:
    alpha = [value for row in range(n) for value in (float(row == read), *(float(row == c) for c in range(n)))]
    yield _fp32("norm_weight", (d,), ONES)
    yield _fp32("static_alpha", (n, n + 1), Init("values", values=tuple(alpha)))
    yield _fp32("dynamic_alpha", (d, n + 1), Init("zeros", fan_in=d, fan_out=n + 1))
    yield _fp32("alpha_scale", (1,), SMALL_SCALE)
    yield _fp32("static_beta", (n,), ONES)
    yield _fp32("dynamic_beta", (d,), Init("zeros", fan_in=d, fan_out=1))
    yield _fp32("beta_scale", (1,), SMALL_SCALE)


def _logit_of_share(n: int) -> float:
    """σ⁻¹(1/n)."""
    return -log(n - 1) if n > 1 else -SEPARATION
