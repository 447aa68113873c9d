"""μP's promise (Yang 2022): the learning rate that is best for a narrow model is best for a wide one.

The twin of arch_beginner_llama 64 and 512 wide, under μP with base width 64 and under the standard parametrisation,
learns text, the standard library's sources, for 200 steps of 4 rows of 64 bytes at every rate of a grid of factor 2.
One seed; the held-out loss in nats is of 32 rows. Goal: under μP the best rate at width 512 is within one step of the
grid of the best at width 64. The standard parametrisation stands beside it for comparison.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import torch

from eulerstack import api
from eulerstack.ir.canonical import lowered
from eulerstack.ir.nodes import Model
from eulerstack.ir.print import to_plain
from eulerstack.ir.width import at_width
from eulerstack.training.ablation.learn import Plan, learn
from eulerstack.training.tasks.text import Text

PRESET = "arch_beginner_llama"
WIDTHS = (64, 512)
EXPONENTS = range(-9, -4)
SCALINGS = {
    "mup": {"parametrization": "mup", "base_width": WIDTHS[0]},
    "standard": {"parametrization": "standard"},
}
PLAN = Plan(steps=200, batch=4, weight_decay=0.1, stop_above=None)
TASK = Text(length=64, train=PLAN.steps * PLAN.batch, test=32)
SEED = 0
Losses = dict[int, float]
"""The held-out loss by the rate's exponent to base 2."""


def model(scaling: dict, width: int) -> Model:
    """The twin with this scaling, `width` wide, its vocabulary the task's."""
    plain = to_plain(api.load(api.shrink(PRESET).source).model)
    plain["model"]["vocab_size"] = TASK.vocab_size
    plain["training_hints"]["scaling"] = scaling
    return at_width(lowered(plain, "transfer"), width)


def losses(name: str, width: int, runs: Path) -> Losses:
    """One run at every rate, those in `runs` not again."""
    wide = model(SCALINGS[name], width)
    found = {}
    for exponent in EXPONENTS:
        kept = runs / f"{name}-{width}-{PLAN.steps}x{PLAN.batch}x{TASK.length}-{SEED}-2^{exponent}.json"
        if not kept.exists():
            kept.write_text(json.dumps(learn(wide, TASK, PLAN, lr=2.0**exponent, seed=SEED).score))
        found[exponent] = json.loads(kept.read_text())
    return found


def best(found: Losses) -> int:
    """The exponent of the least loss."""
    return min(found, key=lambda exponent: found[exponent])


def show(name: str, width: int, found: Losses) -> None:
    """A row of the table, the best loss marked."""
    cells = (f"{loss:.3f}{'*' if exponent == best(found) else ' '}" for exponent, loss in found.items())
    print(f"{name:>9} {width:>5} {' '.join(f'{cell:>7}' for cell in cells)}", flush=True)


def shift(name: str, runs: Path) -> int:
    """Print a row for each width; how many steps of the grid lie between the best rates of the narrowest and widest."""
    found = []
    for width in WIDTHS:
        found.append(losses(name, width, runs))
        show(name, width, found[-1])
    return best(found[-1]) - best(found[0])


def main() -> int:
    """Print a table of losses for each parametrisation, * at the best; 0 when the goal is met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, help="a directory that keeps the scores, so that a broken study goes on")
    parser.add_argument("--only", choices=SCALINGS, help="train under this parametrisation, to be kept")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print(f"held-out loss by rate; {PLAN.steps} steps of {PLAN.batch} rows of {TASK.length} bytes, seed {SEED}")
    head = (f"2^{exponent} " for exponent in EXPONENTS)
    print(f"{'scaling':>9} {'width':>5} {' '.join(f'{cell:>7}' for cell in head)}", flush=True)
    with tempfile.TemporaryDirectory() as parent:
        runs = asked.runs or Path(parent)
        runs.mkdir(exist_ok=True)
        moved = {name: shift(name, runs) for name in ([asked.only] if asked.only else SCALINGS)}
    for name, steps in moved.items():
        print(f"{name}: from width {WIDTHS[0]} to {WIDTHS[-1]} the best rate moves by {steps:+d} steps of the grid")
    return 0 if abs(moved.get("mup", 0)) <= 1 else 1


if __name__ == "__main__":
    sys.exit(main())
