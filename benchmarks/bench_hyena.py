"""Hyena's long convolution and decoding against their plain forms, CPU, fp32, on one thread.

The plain convolution is the published operator's: transforms of exactly twice the length, differentiated by PyTorch.
The plain decoder generates the filters anew at each step. Both sides are interleaved and timed in process CPU time.
Goals: 1.2 times the plain convolution at a power of two, twice at an odd length; 3 times the plain decoding.
"""

import statistics
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace

import torch

from eulerstack.runtime.cache import EulerStackCache
from eulerstack.runtime.hyena import Hyena, long_convolution

WIDTH, ROUNDS, STEPS = 256, 7, 16
GOALS = {512: 1.2, 1021: 2.0, 2048: 1.2}
DECODING_GOAL = 3.0
Convolution = Callable[[torch.Tensor, torch.Tensor, int], torch.Tensor]


def published(x: torch.Tensor, taps: torch.Tensor, length: int) -> torch.Tensor:
    """[B, M, T] and [M, T] → [B, M, T]."""
    spectrum = torch.fft.rfft(x, n=2 * length) * torch.fft.rfft(taps, n=2 * length)
    return torch.fft.irfft(spectrum, n=2 * length)[..., :length]


def seconds(form: Convolution, x: torch.Tensor, taps: torch.Tensor) -> float:
    """CPU seconds of one forward and backward pass."""
    started = time.process_time()
    torch.autograd.grad(form(x, taps, x.shape[-1]).square().sum(), [x, taps])
    return time.process_time() - started


def compare_convolutions(length: int) -> bool:
    """Print how many times faster ours is at this length; whether that keeps the goal."""
    x, taps = (torch.randn(shape).requires_grad_() for shape in ((2, WIDTH, length), (WIDTH, length)))
    torch.testing.assert_close(long_convolution(x, taps, length), published(x, taps, length), rtol=1e-4, atol=1e-3)
    times = [(seconds(long_convolution, x, taps), seconds(published, x, taps)) for _ in range(ROUNDS)]
    return report(f"convolution, T = {length}", times, GOALS[length])


@torch.no_grad()
def decode(mixer: Hyena, prompt: torch.Tensor, keep: bool) -> float:
    """CPU seconds of a few steps after a prompt."""
    cache = EulerStackCache(mixer.state_layers())
    mixer(prompt, past_key_values=cache, cache_index=0)
    mixer(prompt[:, :1], past_key_values=cache, cache_index=0)
    started = time.process_time()
    for _ in range(STEPS):
        if not keep:
            cache.layers[0].shared.clear()
        mixer(prompt[:, :1], past_key_values=cache, cache_index=0)
    return time.process_time() - started


def compare_decoding(length: int) -> bool:
    """Print how many times faster decoding is with filters that are kept; whether that keeps the goal."""
    keys = {"depth": 2, "filter_hidden": 64, "filter_decay": 0.0}
    mixer = Hyena(SimpleNamespace(max_position_embeddings=2 * length), {"d_model": WIDTH, "mixer": {"hyena": keys}}, 0)
    for parameter in mixer.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    prompt = torch.randn(1, length, WIDTH)
    times = [(decode(mixer, prompt, keep=True), decode(mixer, prompt, keep=False)) for _ in range(ROUNDS)]
    return report(f"{STEPS} steps after {length} tokens", times, DECODING_GOAL)


def report(what: str, times: list[tuple[float, float]], goal: float) -> bool:
    """Print the ratio of the pairs (ours, theirs); whether it keeps the goal."""
    own = statistics.median(mine for mine, _ in times)
    ratio = statistics.median(other / mine for mine, other in times)
    print(f"{what}: {own * 1000:.0f} ms CPU, {ratio:.1f} x, goal {goal}")
    return ratio >= goal


def main() -> int:
    """Print one line for each comparison; 0 when all goals are kept."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    kept = [compare_convolutions(length) for length in GOALS]
    kept.append(compare_decoding(1024))
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
