"""The readout and its cross-entropy without the logits as a whole, against transformers' loss on all logits, CPU.

One forward and backward pass of 1,024 states 384 wide and 32,000 words: speed in fp32, interleaved, in process CPU time
on one thread; the peak of memory beside what both start from, each in a process of its own; and how far the loss and
the gradients of bf16 tensors are from fp64. Goals: 1.1 times the speed, half the memory, errors no larger.
"""

import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn.functional import linear
from transformers.loss.loss_utils import ForCausalLMLoss
from twins import report

from eulerstack.runtime.readout import Readout

TOKENS, WIDTH, WORDS = 1024, 384, 32000
ROUNDS = 7
SPEED_GOAL, MEMORY_GOAL = 1.1, 0.5
Loss = Callable[[torch.Tensor, Readout, torch.Tensor], torch.Tensor]


def ours(states: torch.Tensor, head: Readout, target: torch.Tensor) -> torch.Tensor:
    """The mean over all targets."""
    return head(states, target) / len(target)


def transformers_loss(states: torch.Tensor, head: Readout, target: torch.Tensor) -> torch.Tensor:
    """What its causal models do with labels."""
    logits = linear(states, head.weight)[None]
    return ForCausalLMLoss(logits, target[None], WORDS, shift_labels=target[None])


FORMS: dict[str, Loss] = {"ours": ours, "transformers": transformers_loss}


def drawn(tokens: int = TOKENS, words: int = WORDS) -> tuple[torch.Tensor, Readout, torch.Tensor]:
    """States, a readout and targets."""
    torch.manual_seed(0)
    head = Readout(WIDTH, words)
    with torch.no_grad():
        head.weight.normal_(std=WIDTH**-0.5)
    return torch.randn(tokens, WIDTH).requires_grad_(), head, torch.randint(0, words, (tokens,))


def seconds(form: Loss) -> Callable[[], float]:
    """A function that runs forwards and backwards and gives its CPU seconds."""
    states, head, target = drawn()

    def once() -> float:
        started = time.process_time()
        torch.autograd.grad(form(states, head, target), [states, head.weight])
        return time.process_time() - started

    once()
    return once


def high_water() -> float:
    """The most memory that this process has held so far, in MB, as Linux tells it."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found.group(1)) / 1024


def peak(form: Loss) -> float:
    """By how many MB a forward and backward pass raises this process's peak."""
    small = drawn(8, 64)
    torch.autograd.grad(ours(*small), [small[0], small[1].weight])
    states, head, target = drawn()
    before = high_water()
    torch.autograd.grad(form(states, head, target), [states, head.weight])
    return high_water() - before


def peak_apart(name: str) -> float:
    """The same, in a process of its own."""
    found = subprocess.run([sys.executable, __file__, name], check=True, capture_output=True, text=True)
    return float(found.stdout)


def compare_memory() -> bool:
    """Print both peaks; whether ours keeps the goal."""
    mine, theirs = (peak_apart(name) for name in FORMS)
    print(f"memory: {mine:.0f} MB, transformers {theirs:.0f} MB: {mine / theirs:.2f} x, goal {MEMORY_GOAL}")
    return mine <= MEMORY_GOAL * theirs


def compare_errors() -> bool:
    """Print how far bf16 is from fp64, loss and gradients; whether ours is no further off than transformers."""
    states, head, target = drawn(256, 2000)
    states, head = states.detach().bfloat16().requires_grad_(), head.bfloat16()
    exact = [tensor.detach().double().requires_grad_() for tensor in (states, head.weight)]
    loss = torch.nn.functional.cross_entropy(linear(*exact), target)
    right = [loss.detach(), *torch.autograd.grad(loss, exact)]
    errors = []
    for form in (ours, lambda x, head, y: ForCausalLMLoss(linear(x, head.weight)[None], y[None], 2000, shift_labels=y)):
        loss = form(states, head, target)
        found = [loss.detach(), *torch.autograd.grad(loss, [states, head.weight])]
        errors.append([((a.double() - b).norm() / b.norm()).item() for a, b in zip(found, right, strict=True)])
    for name, error in zip(FORMS, errors, strict=True):
        print(f"relative error in bf16, {name}: " + ", ".join(f"{e:.1e}" for e in error))
    return all(mine <= 1.05 * theirs + 1e-6 for mine, theirs in zip(*errors, strict=True))


def main() -> int:
    """Print one line for each comparison; 0 when all goals are kept."""
    torch.set_num_threads(1)
    if len(sys.argv) > 1:
        print(peak(FORMS[sys.argv[1]]))
        return 0
    kept = [
        report("head and loss", seconds(ours), seconds(transformers_loss), SPEED_GOAL, ROUNDS),
        compare_memory(),
        compare_errors(),
    ]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
