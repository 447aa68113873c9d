"""A training step of a compiled llama-like model against transformers' Llama with the same weights, CPU, fp32.

Steps of both are interleaved and timed in process CPU time on one thread, so that load on the machine falls on both
alike. Goals: 1.0 times the peer's speed with logits on both sides, whether words are few or many; 1.05 times with
32,000 words where ours gives the loss alone (`skip_logits`), which transformers has no form of.
"""

import sys

import torch
from twins import llama_pair, report, training_step

ROUNDS = 9
BATCH, LENGTH = 2, 512
CASES = [(4096, False, 1.0), (32000, False, 1.0), (32000, True, 1.05)]
"""Words, whether ours skips the logits, and the goal."""


def compare(words: int, skip_logits: bool, goal: float) -> bool:
    """Print the ratio of a step's time; whether it keeps the goal."""
    mine, theirs = llama_pair(words)
    ids = torch.randint(0, words, (BATCH, LENGTH))
    steps = training_step(mine, ids, skip_logits=skip_logits), training_step(theirs, ids)
    form = ", ours without logits" if skip_logits else ""
    return report(f"training step, {words} words{form}", *steps, goal, ROUNDS)


def main() -> int:
    """Print one line for each case; 0 when all goals are kept."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    kept = [compare(*case) for case in CASES]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
