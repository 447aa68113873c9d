"""The tiny twins of the nine minis, of one number of parameters, ranked on text and on recall, on a CPU.

Every twin is brought to the size of dsv4_flash's, the largest that cannot be made smaller: about 630,000 parameters.
Text is the standard library's sources, 80 steps of 8 rows of 64 bytes, scored by the held-out loss; recall is MAD's
in-context recall (16 tokens, rows of 16 pairs), 160 steps of 8 rows. Two learning rates, two seeds, each twin at its
best rate.

It is too small to say which mini is the better model: 41,000 bytes of text and 1,280 rows are where learning begins, no
twin is done with either task, a twin of 64 channels keeps its mini's pattern and nothing of its proportions, two seeds
give no significance, and of two rates the best is always at an edge. It says how soon each begins to learn.
Goal: every run ends with a score, at sizes within 1.1 times each other, and every twin predicts text better than the
frequencies of its bytes do.
"""

import argparse
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
from eulerstack.training.ablation.verdict import ALIKE, at_chance

PREFIX, SUFFIX = "arch_expert_", "_mini"
MINIS = {
    preset.name.removeprefix(PREFIX).removesuffix(SUFFIX): preset.name
    for preset in api.presets()
    if preset.name.endswith(SUFFIX)
}
BATCH = 8
WIDTH = 150
STUDY = {
    "name": "minis",
    "specs": MINIS,
    "shrink": True,
    "tasks": {
        "text": {"length": 64, "train": 80 * BATCH, "test": 64},
        "recall": {"task": "in_context_recall", "length": 32, "train": 160 * BATCH, "test": 64},
    },
    "match": {"by": "params", "size": "dsv4_flash"},
    "lr": [2e-3, 6e-3],
    "seeds": [0, 1],
    "epochs": 1,
    "batch": BATCH,
}


def tell(step: Step) -> None:
    """One line for each run as it begins."""
    if step.step == 1:
        print(step.told, file=sys.stderr, flush=True)


def held(found: Ablation) -> bool:
    """Whether the goal is met."""
    runs = found.findings.runs
    sizes = [run.sizes.params for run in runs if run.sizes]
    even = max(sizes) <= ALIKE * min(sizes)
    text = next(task for task in found.findings.tasks if task.name == "text")
    learnt = all(each.mean is not None and not at_chance(text, each.mean) for each in found.ranking("text"))
    return even and learnt and not any(run.failure for run in runs)


def main() -> int:
    """Print both rankings; 0 when the goal is met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, help="a directory that keeps the runs, so that a broken study goes on")
    kept = parser.parse_args().runs
    torch.set_num_threads(1)
    i18n.choose("en")
    with tempfile.TemporaryDirectory() as parent:
        found = api.ablate(Source("bench_minis.yml", dump(STUDY)), run_dir=kept or parent, report=tell)
    rates, seeds = (", ".join(map(str, STUDY[key])) for key in ("lr", "seeds"))
    minutes = sum(run.score.seconds for run in found.findings.runs if run.score) / 60
    print(f"learning rates {rates}; seeds {seeds}; batches of {BATCH}; {minutes:.0f} minutes of training in all\n")
    shown = Ablation(replace(found.findings, directory=""))
    print("\n".join(shown.lines(WIDTH, color=False)))
    return 0 if held(found) else 1


if __name__ == "__main__":
    sys.exit(main())
