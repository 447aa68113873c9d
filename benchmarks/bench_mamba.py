"""Mamba's recurrences, forwards and backwards, against other pure torch forms, CPU, fp32, on one thread.

Mamba-1's scan at T = 512 against transformers' step-by-step form and mambapy's parallel scan; Mamba-2's at T = 1024
against transformers' chunks, of the size it takes by default and of ours. Both sides are interleaved and timed in
process CPU time. Goals: 30 times transformers and 2.5 times mambapy for the first, 1 time for the second.
"""

import statistics
import sys
import time
from collections.abc import Callable

import torch
from mambapy.pscan import pscan
from torch.nn.functional import softplus
from transformers.models.mamba.modeling_mamba import mamba_selective_scan
from transformers.models.mamba2.modeling_mamba2 import mamba2_chunk_scan

from eulerstack.runtime.selective_scan import selective_scan
from eulerstack.runtime.state_space_dual import state_space_dual

BATCH, LENGTH, INNER, STATE = 2, 512, 512, 16
LONG, HEADS, HEAD_DIM, WIDE_STATE, CHUNK = 1024, 16, 64, 64, 64
ROUNDS = 3
Form = Callable[..., torch.Tensor]


def ours(x: torch.Tensor, delta: torch.Tensor, A: torch.Tensor, B: torch.Tensor, C: torch.Tensor) -> torch.Tensor:
    """[B, T, I] → [B, T, I], as the two below."""
    return selective_scan(x, delta, A, B, C)[0]


def transformers_scan(x, delta, A, B, C):  # type: ignore[no-untyped-def]
    """One step at a time."""
    turned = (tensor.transpose(1, 2) for tensor in (x, delta, B, C))
    x, delta, B, C = turned
    return mamba_selective_scan(x, delta, A, B, C).transpose(1, 2)


def mambapy_scan(x, delta, A, B, C):  # type: ignore[no-untyped-def]
    """All steps at once, by halves (Blelloch)."""
    decay = torch.exp(delta.unsqueeze(-1) * A)
    added = (delta * x).unsqueeze(-1) * B.unsqueeze(2)
    return (pscan(decay, added) @ C.unsqueeze(-1)).squeeze(-1)


def ours_dual(*tensors: torch.Tensor) -> torch.Tensor:
    """[B, T, H, P] → [B, T, H, P], as the two below."""
    return state_space_dual(*tensors, CHUNK)[0]


def transformers_dual(size: int) -> Form:
    """transformers' form in chunks of `size`."""
    return lambda *tensors: mamba2_chunk_scan(*tensors, chunk_size=size)


def first_inputs() -> list[torch.Tensor]:
    """x, Δ, A, B, C of Mamba-1."""
    drawn = [
        torch.randn(BATCH, LENGTH, INNER),
        softplus(torch.randn(BATCH, LENGTH, INNER) - 2),
        -torch.randn(INNER, STATE).exp(),
        torch.randn(BATCH, LENGTH, STATE),
        torch.randn(BATCH, LENGTH, STATE),
    ]
    return [tensor.requires_grad_() for tensor in drawn]


def second_inputs() -> list[torch.Tensor]:
    """x, Δ, A, B, C of Mamba-2."""
    drawn = [
        torch.randn(BATCH, LONG, HEADS, HEAD_DIM),
        softplus(torch.randn(BATCH, LONG, HEADS) - 2),
        -torch.randn(HEADS).exp(),
        torch.randn(BATCH, LONG, 1, WIDE_STATE),
        torch.randn(BATCH, LONG, 1, WIDE_STATE),
    ]
    return [tensor.requires_grad_() for tensor in drawn]


def seconds(form: Form, tensors: list[torch.Tensor]) -> float:
    """CPU seconds of one forward and backward pass."""
    started = time.process_time()
    torch.autograd.grad(form(*tensors).square().sum(), tensors)
    return time.process_time() - started


def compare(name: str, mine: Form, peer: Form, tensors: list[torch.Tensor], goal: float) -> bool:
    """Print how many times faster `mine` is; whether that keeps the goal."""
    torch.testing.assert_close(mine(*tensors), peer(*tensors), rtol=1e-4, atol=1e-4)
    times = [(seconds(mine, tensors), seconds(peer, tensors)) for _ in range(ROUNDS)]
    own = statistics.median(mine for mine, _ in times)
    ratio = statistics.median(other / mine for mine, other in times)
    print(f"{name}: {own * 1000:.0f} ms CPU, {ratio:.1f} x, goal {goal}")
    return ratio >= goal


def main() -> int:
    """Print one line for each peer; 0 when all goals are kept."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    first, second = first_inputs(), second_inputs()
    kept = [
        compare("selective scan, transformers", ours, transformers_scan, first, 30),
        compare("selective scan, mambapy", ours, mambapy_scan, first, 2.5),
        compare("state space dual, transformers' chunks of 256", ours_dual, transformers_dual(256), second, 1.0),
        compare("state space dual, transformers' chunks of 64", ours_dual, transformers_dual(CHUNK), second, 1.0),
    ]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
