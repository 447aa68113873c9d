"""Attention against retention, whose state is fixed, of the same number of parameters, on MQAR at (64, 4), on a CPU.

Two layers of one head (Arora 2023 has no ffn; a narrow one here makes the sizes equal), 2,000 steps of 64 rows, two
learning rates. The vocabulary is 1,024 and there is one seed, so that it ends in minutes: neither mixer is done then,
and the ranking says so. What it found stands in docs/en/measured.md.
Goal: attention, which can look every pair up, is more than guessing, and at least 20 points ahead.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from eulerstack import api, i18n
from eulerstack.diagnostics import Source
from eulerstack.ir.yaml_text import dump
from eulerstack.results.ablation import Ablation
from eulerstack.training.ablation.engine import Step
from eulerstack.training.ablation.verdict import at_chance

AHEAD = 0.2
MIXERS = {
    "attention": {"type": "attention", "attention": {}},
    "retnet": {"type": "retnet", "retnet": {}},
}


def spec(name: str) -> dict:
    """Two layers of one mixer."""
    model = {
        "name": name,
        "d_model": 64,
        "vocab_size": 1024,
        "max_seq_len": 64,
        "n_heads": 1,
        "d_ff": 32,
        "dtype": "float32",
    }
    return {
        "schema_version": 1,
        "model": model,
        "tokenizer_contract": {"type": "byte"},
        "embedding": {"type": "learned", "positional": "rope" if name == "attention" else "none"},
        "layer_templates": {"block": {"mixer": MIXERS[name], "ffn": {"type": "gated_mlp", "activation": "swiglu"}}},
        "layer_schedule": [{"template": "block", "repeat": 2}],
        "head": {"type": "causal_lm"},
    }


STUDY = {
    "name": "recall",
    "specs": {name: spec(name) for name in MIXERS},
    "tasks": {"mqar": {"vocab_size": 1024, "length": 64, "pairs": 4}},
    "match": {"by": "params", "size": "retnet"},
    "lr": [3e-3, 1e-2],
    "seeds": [0],
    "steps": 2000,
    "batch": 64,
}


def tell(step: Step) -> None:
    """One line for each run as it begins."""
    if step.step == 1:
        print(step.told, flush=True)


def main() -> int:
    """Print the ranking; 0 when attention is as far ahead as the goal says."""
    torch.set_num_threads(1)
    i18n.choose("en")
    with tempfile.TemporaryDirectory() as parent:
        found = api.ablate(Source("bench_recall.yml", dump(STUDY)), run_dir=Path(parent) / "runs", report=tell)
        print(Ablation(replace(found.findings, directory="")))
    best = {each.spec: each.mean or 0.0 for each in found.ranking("mqar")}
    guessing = at_chance(found.findings.tasks[0], best["attention"])
    return 0 if not guessing and best["attention"] >= best["retnet"] + AHEAD else 1


if __name__ == "__main__":
    sys.exit(main())
