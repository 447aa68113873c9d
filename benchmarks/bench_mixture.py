"""A mixture of experts against transformers' Mixtral with the same weights, CPU, fp32, on one thread.

A training step of the loss alone (`skip_logits`) against Mixtral on `grouped_mm`, its default, and on `eager`, its loop
over experts; a token with the cache. Rounds are interleaved and timed in process CPU time. Goals: 1.0 times grouped_mm
and 2.3 times eager at 32 experts, 0.9 times at a token after a short prompt (see `bench_decoding.py`).
"""

import sys

import torch
from bench_decoding import seconds_per_token
from twins import mixtral_pair, report, training_step

WORDS, LAYERS, D_EXPERT = 4096, 4, 512
BATCH, LENGTH, PROMPT = 2, 512, 16
ROUNDS = 7
CASES = [(8, 2, "grouped_mm", 1.0), (32, 3, "grouped_mm", 1.0), (32, 3, "eager", 2.3)]
"""Experts, how many a token uses, how transformers runs them, and the goal."""
DECODING_GOAL = 0.9


def main() -> int:
    """Print one line for each case; 0 when all goals are kept."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    kept = []
    ids = torch.randint(0, WORDS, (BATCH, LENGTH))
    for experts, top_k, implementation, goal in CASES:
        mine, theirs = mixtral_pair(WORDS, LAYERS, experts, top_k, D_EXPERT, implementation)
        name = f"{top_k} of {experts} experts, against {implementation}"
        kept.append(
            report(
                f"training step, {name}",
                training_step(mine, ids, skip_logits=True),
                training_step(theirs, ids),
                goal,
                ROUNDS,
            )
        )
        if implementation == "grouped_mm":
            prompt = ids[:1, :PROMPT]
            pair = [seconds_per_token(model.eval(), prompt) for model in (mine, theirs)]
            kept.append(report(f"a token, {name}", *pair, DECODING_GOAL, ROUNDS))
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
