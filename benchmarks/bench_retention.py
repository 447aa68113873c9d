"""Retention in chunks against its parallel form, forwards and backwards, CPU, fp32, on one thread.

The parallel form is the paper's equation 5, (Q Kᵀ ⊙ D) V with the whole square D. Both sides are interleaved and timed
in process CPU time. Goals: 2.5 times the parallel form at T = 512, 9 times at 2048, 40 times at 8192.
"""

import statistics
import sys
import time
from collections.abc import Callable

import torch

from eulerstack.runtime.retention import log_decay, retain

HEADS, KEY, VALUE, CHUNK = 4, 64, 128, 64
BATCHES = {512: 4, 2048: 2, 8192: 1}
GOALS = {512: 2.5, 2048: 9.0, 8192: 40.0}
ROUNDS = {512: 9, 2048: 5, 8192: 1}
Form = Callable[..., torch.Tensor]


def chunkwise(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """[B, T, H, V], as the one below."""
    return retain(query, key, value, CHUNK)[0]


def parallel(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """All tokens against all."""
    query, key, value = (tensor.transpose(1, 2) for tensor in (query, key, value))
    step = torch.arange(query.shape[2], dtype=query.dtype)
    distance = step[:, None] - step
    decay = (distance.clamp(min=0) * log_decay(query.shape[1], step)[:, None, None]).exp().tril()
    return ((query @ key.mT * decay) @ value).transpose(1, 2)


def seconds(form: Form, tensors: list[torch.Tensor]) -> float:
    """CPU seconds of one forward and backward pass."""
    started = time.process_time()
    torch.autograd.grad(form(*tensors).square().sum(), tensors)
    return time.process_time() - started


def compare(length: int) -> bool:
    """Print how many times faster chunks are at this length; whether that keeps the goal."""
    shape = (BATCHES[length], length, HEADS)
    tensors = [torch.randn(*shape, width).div(KEY**0.25).requires_grad_() for width in (KEY, KEY, VALUE)]
    torch.testing.assert_close(chunkwise(*tensors), parallel(*tensors), rtol=1e-4, atol=1e-4)
    times = [(seconds(chunkwise, tensors), seconds(parallel, tensors)) for _ in range(ROUNDS[length])]
    own = statistics.median(mine for mine, _ in times)
    ratio = statistics.median(other / mine for mine, other in times)
    print(f"T = {length}: {own * 1000:.0f} ms CPU, {ratio:.1f} x, goal {GOALS[length]}")
    return ratio >= GOALS[length]


def main() -> int:
    """Print one line for each length; 0 when all goals are kept."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    kept = [compare(length) for length in GOALS]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
