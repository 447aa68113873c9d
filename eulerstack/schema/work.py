"""What a primitive computes: floating-point operations of one call, counted without building anything.

Two counts of the same call. *As written*: every matrix product and convolution that the runtime's eager code runs, a
multiply-add counting 2, equal to `torch.utils.flop_counter` over eager attention and eager experts; an attention there
scores every key that stands in its cache, seen or not. *As kernels do it*: of scores only those of keys that a query
sees, and what happens once for several tokens in its mean per token.

Norms, activations, softmaxes and sums are counted in neither, as in published figures: they are bound by memory. What
is no matrix product and yet is arithmetic that matters (recurrences, triangular solves, Fourier transforms,
matrix-vector products) is counted apart as `scan`; each primitive's docstring says how.
"""

from collections.abc import Iterable
from math import log2, prod

from eulerstack.records import dataclass
from eulerstack.schema.base import Parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a model or of a part of it.

    `batch` sequences of `tokens` new tokens each after `past` earlier ones that a cache holds; `training`: with
    gradients, without a cache; `kernels`: the count as kernels do it; `masked`: the tokens were picked out of longer
    sequences (Mixture-of-Depths in training), so that chunked forms run on whole chunks.
    """

    batch: int = 1
    tokens: int
    past: int = 0
    training: bool = False
    kernels: bool = False
    masked: bool = False

    @property
    def rows(self) -> int:
        """How many tokens there are to compute."""
        return self.batch * self.tokens

    @property
    def end(self) -> int:
        """How many tokens of a sequence there are after the call."""
        return self.past + self.tokens


@dataclass(frozen=True, slots=True)
class Work:
    """Operations: matrix products of the forward and of the backward pass, and scans of either."""

    forward: int = 0
    backward: int = 0
    scan: int = 0
    scan_backward: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.forward + self.backward + self.scan + self.scan_backward

    @property
    def ahead(self) -> int:
        """Those of the forward pass: what inference needs, and checkpointing repeats."""
        return self.forward + self.scan

    def __add__(self, other: "Work") -> "Work":
        return Work(
            self.forward + other.forward,
            self.backward + other.backward,
            self.scan + other.scan,
            self.scan_backward + other.scan_backward,
        )

    def share(self, fraction: float) -> "Work":
        """A part of it, to whole operations."""
        parts = (self.forward, self.backward, self.scan, self.scan_backward)
        return Work(*(round(fraction * part) for part in parts))

    def __mul__(self, times: int) -> "Work":
        return Work(self.forward * times, self.backward * times, self.scan * times, self.scan_backward * times)


NOTHING = Work()


def total(parts: Iterable[Work]) -> Work:
    """Their sum."""
    return sum(parts, NOTHING)


def product(*sizes: int, grads: int = 2) -> Work:
    """A batch of matrix products, its sizes multiplied. `grads`: how many of the two factors get a gradient."""
    return Work(2 * prod(sizes), 2 * grads * prod(sizes))


def contraction(length: int, *sizes: int, grads: int = 2) -> Work:
    """As `product`, of sums of `length` terms each; sums of one term are no matrix products."""
    work = product(length, *sizes, grads=grads)
    return work if length > 1 else Work(0, 0, work.forward, work.backward)


def scan(operations: int, backward: int = 0) -> Work:
    """Operations that are no matrix products."""
    return Work(0, 0, operations, backward)


def applied(parameters: Iterable[Parameter], rows: int, grads: int = 2) -> Work:
    """Every linear map and convolution among the parameters, on `rows` vectors."""
    return product(rows, sum(p.count for p in parameters if is_map(p)), grads=grads)


def is_map(parameter: Parameter) -> bool:
    """Whether it is the matrix of a linear map, or the kernel of a convolution."""
    return parameter.name.endswith(".weight") and len(parameter.shape) > 1


def fourier(size: int) -> int:
    """Operations of a real Fourier transform of `size` numbers: half of a complex one's 5·n·log₂ n."""
    return round(2.5 * size * log2(size))


def seen_keys(call: Call, window: int | None = None, dilation: int = 1, stride: int | None = None) -> int:
    """Query–key pairs of one sequence that causal attention sees.

    `window` counts the query itself and every `dilation`-th position before it; `stride`: beyond the window every
    so many-th position is seen, too.
    """
    far = 0 if stride is None else _steps(call.end, stride) - _steps(call.past, stride)
    return far + _windowed(call.end, window, dilation) - _windowed(call.past, window, dilation)


def seen_blocks(call: Call, block: int, most: int | None = None) -> int:
    """Pairs of a query and a block of `block` tokens that is finished when it stands at its last token or later."""
    return _finished(call.end, block, most) - _finished(call.past, block, most)


def _windowed(count: int, window: int | None, dilation: int) -> int:
    """Σ over positions p < count of min(⌊p / dilation⌋ + 1, window)."""
    growing = count if window is None else min(count, (window - 1) * dilation)
    whole, rest = divmod(growing, dilation)
    return dilation * whole * (whole + 1) // 2 + rest * (whole + 1) + (count - growing) * (window or 0)


def _steps(count: int, stride: int) -> int:
    """Σ over positions p < count of ⌊p / stride⌋."""
    whole, rest = divmod(count, stride)
    return stride * whole * (whole - 1) // 2 + rest * whole


def _finished(count: int, block: int, most: int | None) -> int:
    """Σ over positions p < count of min(⌊(p + 1) / block⌋, most)."""
    growing = count if most is None else min(count, most * block)
    return _steps(growing + 1, block) + (count - growing) * (most or 0)
