"""A small model that is trained while it reads: the state of test-time training layers and of neural memories.

Its weights after every token of a chunk are W_t = Σ_n scale_tn · W_n − Σ_{j≤t} C_tj x_j ⊗ g_j: a few matrices that were
there before the chunk, and one outer product a token. The dual form (Sun 2024, §2.5) never forms them: what they do to
a vector needs the matrices, and products of the vectors among each other.

Shape suffixes: L tokens of a chunk, I and O a matrix's inputs and outputs. Leading dimensions (batch, heads) are free.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from typing import NamedTuple, Protocol

import torch
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from .chunk_rows import Segment, pad_ones

KEPT_BYTES = 2**28
"""How many bytes of weights may be kept for a backward pass without recomputing anything."""

GROUP = 8
"""How many segments are recomputed together beyond that: their weights are kept at the groups' borders only."""

Carry = tuple[torch.Tensor, ...]


class TokenWeights(Protocol):
    """A matrix that is another one for each of L tokens."""

    def read(self, x_LI: torch.Tensor) -> torch.Tensor:
        """x_t W_t for every token [..., L, O]."""

    def back(self, g_LO: torch.Tensor) -> torch.Tensor:
        """W_t g_t for every token [..., L, I]."""


class Write(NamedTuple):
    """What one step of training wrote: −Σ_{j≤t} C_tj x_j ⊗ g_j. `coefficient` [..., L, L] is lower triangular."""

    coefficient: torch.Tensor
    x: torch.Tensor
    g: torch.Tensor


class DualWeights(NamedTuple):
    """W_t as scaled matrices (scale [..., L, 1], or None for 1; matrix [..., I, O]) and writes, never formed."""

    matrices: Sequence[tuple[torch.Tensor | None, torch.Tensor]]
    writes: Sequence[Write] = ()

    def read(self, x_LI: torch.Tensor) -> torch.Tensor:
        """As TokenWeights."""
        out = add(_scaled(scale, x_LI @ matrix) for scale, matrix in self.matrices)
        for coefficient, x, g in self.writes:
            out = out - (coefficient * (x_LI @ x.transpose(-1, -2))) @ g
        return out

    def back(self, g_LO: torch.Tensor) -> torch.Tensor:
        """As TokenWeights."""
        out = add(_scaled(scale, g_LO @ matrix.transpose(-1, -2)) for scale, matrix in self.matrices)
        for coefficient, x, g in self.writes:
            out = out - (coefficient * (g_LO @ g.transpose(-1, -2))) @ x
        return out


class PrimalWeights(NamedTuple):
    """W_t formed for every token [..., L, I, O]: for steps that are no sums of outer products."""

    matrix: torch.Tensor

    def read(self, x_LI: torch.Tensor) -> torch.Tensor:
        """As TokenWeights."""
        return (x_LI.unsqueeze(-2) @ self.matrix).squeeze(-2)

    def back(self, g_LO: torch.Tensor) -> torch.Tensor:
        """As TokenWeights."""
        return (self.matrix @ g_LO.unsqueeze(-1)).squeeze(-1)


class InnerModel(NamedTuple):
    """f(x) = LN(x W), or LN(gelu(x W1) W2), every matrix with a bias as its last row where `bias`.

    GELU is its tanh form. LayerNorm has the weight and bias given, both [..., 1, D] (bias None: 0).
    """

    bias: bool
    norm_weight: torch.Tensor
    norm_bias: torch.Tensor | None
    eps: float

    def read(self, layers: Sequence[TokenWeights], x: torch.Tensor) -> torch.Tensor:
        """f(x_t) with the weights of token t [..., L, D]."""
        _, outputs = self._run(layers, x)
        return layer_norm(outputs[-1], self.norm_weight, self.norm_bias, self.eps)

    def gradients(
        self, layers: Sequence[TokenWeights], x: torch.Tensor, target: torch.Tensor
    ) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """∇ ½‖f(x_t) − target_t‖² with respect to each layer's matrix: pairs x, g whose outer product it is."""
        inputs, outputs = self._run(layers, x)
        g = layer_norm_l2_gradient(outputs[-1], target, self.norm_weight, self.norm_bias, self.eps)
        pairs = [(inputs[-1], g)]
        for index in range(len(layers) - 1, 0, -1):
            g = layers[index].back(g)
            g = (g[..., :-1] if self.bias else g) * gelu_derivative(outputs[index - 1])
            pairs.insert(0, (inputs[index - 1], g))
        return pairs

    def _run(self, layers: Sequence[TokenWeights], x: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """What enters and what leaves each matrix."""
        inputs: list[torch.Tensor] = []
        outputs: list[torch.Tensor] = []
        for index, layer in enumerate(layers):
            x = F.gelu(outputs[-1], approximate="tanh") if index else x
            inputs.append(pad_ones(x) if self.bias else x)
            outputs.append(layer.read(inputs[-1]))
        return inputs, outputs


def layer_norm(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, eps: float) -> torch.Tensor:
    """LayerNorm over the last dimension, with weights that broadcast."""
    normed = F.layer_norm(x, x.shape[-1:], eps=eps) * weight
    return normed if bias is None else normed + bias


def layer_norm_l2_gradient(
    x: torch.Tensor, target: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, eps: float
) -> torch.Tensor:
    """∇_x ½‖LN(x) − target‖²."""
    centred = x - x.mean(dim=-1, keepdim=True)
    inverse = torch.rsqrt(centred.square().mean(dim=-1, keepdim=True) + eps)
    normed = centred * inverse
    error = normed * weight - target
    g = (error if bias is None else error + bias) * weight
    along = (g * normed).mean(dim=-1, keepdim=True)
    return (g - g.mean(dim=-1, keepdim=True) - normed * along) * inverse


def gelu_derivative(x: torch.Tensor) -> torch.Tensor:
    """d/dx of GELU's tanh form."""
    slope, cubic = math.sqrt(2 / math.pi), 0.044715
    tanh = torch.tanh(slope * (x + cubic * x**3))
    return 0.5 * (1 + tanh) + 0.5 * x * (1 - tanh.square()) * slope * (1 + 3 * cubic * x.square())


def scan(
    step: Callable[..., tuple[Carry, torch.Tensor]],
    carry: Carry,
    segments: Sequence[Segment],
    tensors: Sequence[torch.Tensor],
    dim: int,
    copies: int = 1,
) -> tuple[Carry, torch.Tensor]:
    """Run `step(carry, segment, *slices)` over the segments of `tensors`, whose dimension `dim` holds the slots.

    Returns the last carry, and the outputs joined along `dim`. Where a backward pass would keep more than `KEPT_BYTES`,
    at `copies` of the carry a segment, groups of segments are checkpointed.
    """
    kept = len(segments) * copies * sum(part.numel() * part.element_size() for part in carry)
    recompute = torch.is_grad_enabled() and kept > KEPT_BYTES

    def run(group: Sequence[Segment], carry: Carry, *tensors: torch.Tensor) -> tuple[Carry, torch.Tensor]:
        outputs = []
        for segment in group:
            start, stop = segment.slots.start - group[0].slots.start, segment.slots.stop - group[0].slots.start
            carry, output = step(carry, segment, *(t.narrow(dim, start, stop - start) for t in tensors))
            outputs.append(output)
        return carry, torch.cat(outputs, dim=dim)

    joined = []
    for first in range(0, len(segments), GROUP):
        group = segments[first : first + GROUP]
        start, stop = group[0].slots.start, group[-1].slots.stop
        own = [tensor.narrow(dim, start, stop - start) for tensor in tensors]
        if recompute:
            carry, output = checkpoint(run, group, carry, *own, use_reentrant=False)
        else:
            carry, output = run(group, carry, *own)
        joined.append(output)
    return carry, torch.cat(joined, dim=dim)


def add(tensors: Iterable[torch.Tensor]) -> torch.Tensor:
    """The sum of one tensor or more."""
    return reduce(torch.add, tensors)


def _scaled(scale: torch.Tensor | None, x: torch.Tensor) -> torch.Tensor:
    return x if scale is None else scale * x
