"""A mixture of experts against transformers' Mixtral with the same weights, CPU, fp32, on one thread.

A training step, logits and all on both sides, against Mixtral on `grouped_mm`, its default, and on `eager`, its loop
over experts; ours of the loss alone (`skip_logits`) against the same, which has no such form; a token with the cache.
Rounds are interleaved and timed in process CPU time. Goals: 1.0 times grouped_mm and 2.3 times eager at 32 experts, 1.0
times with the loss alone, 0.9 times at a token after a short prompt (see `bench_decoding.py`).
"""

import sys

import torch
from bench_decoding import seconds_per_token
from transformers import PreTrainedModel
from twins import mixtral_pair, report, training_step

WORDS, LAYERS, D_EXPERT = 4096, 4, 512
BATCH, LENGTH, PROMPT = 2, 512, 16
ROUNDS = 7
CASES = [(8, 2, "grouped_mm", 1.0), (32, 3, "grouped_mm", 1.0), (32, 3, "eager", 2.3)]
"""Experts, how many a token uses, how transformers runs them, and the goal."""
DECODING_GOAL = 0.9


def compare_step(
    name: str, pair: tuple[PreTrainedModel, PreTrainedModel], ids: torch.Tensor, goal: float, **keys: bool
) -> bool:
    """Print the ratio of a step's time; whether it keeps the goal. `keys` are for ours alone."""
    mine, theirs = pair
    return report(name, training_step(mine, ids, **keys), training_step(theirs, ids), goal, ROUNDS)


def main() -> int:
    """Print one line for each case; 0 when all goals are kept."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    kept = []
    ids = torch.randint(0, WORDS, (BATCH, LENGTH))
    for experts, top_k, implementation, goal in CASES:
        mine, theirs = mixtral_pair(WORDS, LAYERS, experts, top_k, D_EXPERT, implementation)
        name = f"{top_k} of {experts} experts, against {implementation}"
        kept.append(compare_step(f"training step, {name}", (mine, theirs), ids, goal))
        if implementation == "grouped_mm":
            alone = f"training step, ours without logits, {name}"
            kept.append(compare_step(alone, (mine, theirs), ids, goal, skip_logits=True))
            prompt = ids[:1, :PROMPT]
            pair = [seconds_per_token(model.eval(), prompt) for model in (mine, theirs)]
            kept.append(report(f"a token, {name}", *pair, DECODING_GOAL, ROUNDS))
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
