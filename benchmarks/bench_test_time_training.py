"""Training at test time, forwards and backwards, against plainer forms, CPU, fp32, on one thread.

A TTT-MLP layer's inner loop at T = 512 against its primal form, which forms every token's weights (as the released code
does while decoding). An associative memory's delta rule at T = 1024 against the recurrence, token by token. Both sides
are interleaved and timed in process CPU time. Goals: 3 times the primal form, 4 times the recurrence.
"""

import statistics
import sys
import time
from collections.abc import Callable

import torch

from eulerstack.runtime.associative_memory import CHUNK, delta_rule
from eulerstack.runtime.chunk_rows import ChunkRows
from eulerstack.runtime.inner_model import DualWeights, InnerModel, PrimalWeights, scan
from eulerstack.runtime.ttt import Chunks, TttLayer

BATCH, LENGTH, MODEL, HEADS, HIDDEN, MINI_BATCH = 1, 512, 256, 4, 256, 16
LONG, KEYS = 1024, 64
ROUNDS = 3
Form = Callable[..., torch.Tensor]

TTT = {
    "inner_model": {"type": "mlp", "hidden": HIDDEN},
    "inner_optimizer": "sgd",
    "inner_lr": 1.0,
    "inner_steps_per_token": 1,
    "chunk_size": MINI_BATCH,
    "n_heads": HEADS,
}


class Config:
    """What the layer reads of a model's config."""

    def __init__(self) -> None:
        self.embedding = {"positional": "none"}


def layer() -> TttLayer:
    """A layer with small random weights."""
    made = TttLayer(Config(), {"mixer": {"ttt": TTT}, "d_model": MODEL, "norm": {"eps": 1e-5}}, 0)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return made


def dual(made: TttLayer, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, rate: torch.Tensor) -> torch.Tensor:
    """[B, H, T, D], as the one below: no token's weights are formed."""
    chunks = Chunks(made, q.dtype, BATCH)
    rows = ChunkRows(MINI_BATCH, torch.empty(BATCH, LENGTH, 1), None, 0)
    return scan(chunks.step, chunks.start(), list(rows.segments()), (q, k, v, rate), dim=2)[1]


def primal(made: TttLayer, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, rate: torch.Tensor) -> torch.Tensor:
    """Each token's weights, one by one."""
    chunks = Chunks(made, q.dtype, BATCH)
    model: InnerModel = chunks.model
    weights = [matrix.expand(BATCH, *matrix.shape) for matrix in chunks.learned]
    readings = []
    for q_c, k_c, v_c, rate_c in zip(*(x.split(MINI_BATCH, dim=2) for x in (q, k, v, rate)), strict=True):
        pairs = model.gradients([DualWeights([(None, matrix)]) for matrix in weights], k_c, v_c - k_c)
        rate_c = rate_c[..., None, None] * chunks.to_rate
        scale = chunks.scale[: q_c.shape[2], None, None]
        formed = [
            matrix.unsqueeze(2) - scale * (rate_c * x.unsqueeze(-1) * g.unsqueeze(-2)).cumsum(2)
            for matrix, (x, g) in zip(weights, pairs, strict=True)
        ]
        readings.append(q_c + model.read([PrimalWeights(matrix) for matrix in formed], q_c))
        weights = [matrix[:, :, -1] for matrix in formed]
    return torch.cat(readings, dim=2)


def chunkwise(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, beta: torch.Tensor, matrix: torch.Tensor
) -> torch.Tensor:
    """[B, T, M], as the one below."""
    readings = []
    for q_c, k_c, v_c, beta_c in zip(*(x.split(CHUNK, dim=1) for x in (q, k, v, beta)), strict=True):
        reading, matrix = delta_rule(q_c, k_c, v_c, beta_c, matrix)
        readings.append(reading)
    return torch.cat(readings, dim=1)


def recurrent(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, beta: torch.Tensor, matrix: torch.Tensor
) -> torch.Tensor:
    """Token by token."""
    readings = []
    for q_t, k_t, v_t, beta_t in zip(*(x.split(1, dim=1) for x in (q, k, v, beta)), strict=True):
        matrix = matrix + k_t.mT @ (beta_t * (v_t - k_t @ matrix))
        readings.append(q_t @ matrix)
    return torch.cat(readings, dim=1)


def seconds(form: Form, tensors: list[torch.Tensor]) -> float:
    """CPU seconds of one forward and backward pass."""
    started = time.process_time()
    torch.autograd.grad(form(*tensors).square().sum(), tensors)
    return time.process_time() - started


def compare(name: str, mine: Form, peer: Form, tensors: list[torch.Tensor], goal: float) -> bool:
    """Print how many times faster `mine` is; whether that keeps the goal."""
    torch.testing.assert_close(mine(*tensors), peer(*tensors), rtol=1e-3, atol=1e-3)
    times = [(seconds(mine, tensors), seconds(peer, tensors)) for _ in range(ROUNDS)]
    own = statistics.median(mine for mine, _ in times)
    ratio = statistics.median(other / mine for mine, other in times)
    print(f"{name}: {own * 1000:.0f} ms CPU, {ratio:.1f} x, goal {goal}")
    return ratio >= goal


def main() -> int:
    """Print one line for each form; 0 when all goals are kept."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    made = layer()
    heads = [torch.randn(BATCH, HEADS, LENGTH, MODEL // HEADS).requires_grad_() for _ in range(3)]
    inner = [*heads, torch.rand(BATCH, HEADS, LENGTH).requires_grad_()]
    unit = [torch.nn.functional.normalize(torch.randn(BATCH, LONG, KEYS), dim=-1).requires_grad_() for _ in range(2)]
    delta = [*unit, torch.randn(BATCH, LONG, MODEL).requires_grad_(), torch.rand(BATCH, LONG, 1).requires_grad_()]
    delta.append(torch.zeros(BATCH, KEYS, MODEL).requires_grad_())
    kept = [
        compare(
            "TTT-MLP, dual against primal form", lambda *x: dual(made, *x), lambda *x: primal(made, *x), inner, 3.0
        ),
        compare("delta rule, chunks against the recurrence", chunkwise, recurrent, delta, 4.0),
    ]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
