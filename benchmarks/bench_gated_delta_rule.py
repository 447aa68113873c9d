"""The gated delta rule in chunks, forwards and backwards, against transformers' torch form, CPU, fp32, on one thread.

Both sides are interleaved and timed in process CPU time. Goal: 1 time transformers with chunks of the same size.
"""

import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch.nn.functional import softplus
from transformers.models.qwen3_next.modeling_qwen3_next import torch_chunk_gated_delta_rule

from eulerstack.runtime.gated_delta_net import gated_delta_rule

BATCH, HEADS, WIDTH, CHUNK = 2, 4, 64, 64
LENGTHS = (512, 2048)
ROUNDS = 5
Form = Callable[..., torch.Tensor]


def ours(*tensors: torch.Tensor) -> torch.Tensor:
    """q, k, v, log α, β → [B, T, H, V], as the one below."""
    return gated_delta_rule(*tensors, CHUNK)[0]


def transformers_chunks(query, key, value, log_decay, beta):  # type: ignore[no-untyped-def]
    """Written into one tensor, chunk by chunk."""
    return torch_chunk_gated_delta_rule(
        query, key, value, g=log_decay, beta=beta, chunk_size=CHUNK, use_qk_l2norm_in_kernel=True
    )[0]


def seconds(form: Form, tensors: list[torch.Tensor]) -> float:
    """CPU seconds of one forward and backward pass."""
    started = time.process_time()
    torch.autograd.grad(form(*tensors).square().sum(), tensors)
    return time.process_time() - started


def compare(length: int) -> bool:
    """Print how many times faster ours is at this length; whether that keeps the goal."""
    shape = (BATCH, length, HEADS)
    drawn = [torch.randn(*shape, WIDTH) for _ in range(3)] + [-softplus(torch.randn(shape)), torch.rand(shape)]
    tensors = [tensor.requires_grad_() for tensor in drawn]
    torch.testing.assert_close(ours(*tensors), transformers_chunks(*tensors), rtol=1e-4, atol=1e-4)
    times = [(seconds(ours, tensors), seconds(transformers_chunks, tensors)) for _ in range(ROUNDS)]
    own = statistics.median(mine for mine, _ in times)
    ratio = statistics.median(other / mine for mine, other in times)
    print(f"T = {length}: {own * 1000:.0f} ms CPU, {ratio:.1f} x, goal 1.0")
    return ratio >= 1.0


def main() -> int:
    """Print one line for each length; 0 when the goal is kept at all of them."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    kept = [compare(length) for length in LENGTHS]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
