"""The coordinate check of μP (Yang 2022, appendix D.1): are activations as large in a wide model as in a narrow one?

The same architecture is compiled at several widths and trained for a few steps on the same batch. Under μP the size of
what each layer puts out, and of the logits, hardly changes with the width; under the standard parametrisation it grows.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel

from eulerstack.ir.nodes import Model
from eulerstack.ir.width import at_width
from eulerstack.training.loaded import built

BATCH, LENGTH = 4, 64
LOGITS = "logits"


@dataclass(frozen=True, slots=True)
class Coordinate:
    """The mean size |x| of one layer's output, or of the logits, at a width after some steps."""

    width: int
    step: int
    place: str
    size: float


def check_coordinates(
    model: Model,
    widths: Sequence[int],
    *,
    steps: int = 10,
    lr: float = 1e-2,
    seeds: int = 1,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Coordinate, ...]:
    """Sizes at every width before the first step and after each, the mean over `seeds` models.

    `lr` is Adam's rate at the base width; `report` hears how many models are done. Raises UnevenWidth where the
    architecture does not exist at a width.
    """
    models = {width: at_width(model, width) for width in widths}
    found: list[Coordinate] = []
    for done, (width, wide) in enumerate(models.items()):
        runs = [list(_train(wide, seed, steps, lr)) for seed in range(seeds)]
        for same in zip(*runs, strict=True):
            step, place, _ = same[0]
            found.append(Coordinate(width, step, place, sum(size for *_, size in same) / seeds))
        report(done + 1, len(models))
    return tuple(found)


def spread(coordinates: Sequence[Coordinate], step: int) -> dict[str, float]:
    """By place, the size at the largest width over that at the smallest, after `step` steps."""
    at = {(c.place, c.width): c.size for c in coordinates if c.step == step}
    widths = sorted({width for _, width in at})
    return {place: size / at[place, widths[0]] for (place, width), size in at.items() if width == widths[-1]}


def _train(model: Model, seed: int, steps: int, lr: float) -> Iterator[tuple[int, str, float]]:
    trained: Any = built(model, seed).train()
    ids = torch.randint(model.vocab_size, (BATCH, LENGTH), generator=torch.Generator().manual_seed(seed))
    optimizer = torch.optim.AdamW(trained.optimizer_param_groups(lr, 0.0))
    for step in range(steps + 1):
        sizes, hooks = _watch(trained)
        out = trained(input_ids=ids, labels=ids, use_cache=False)
        for hook in hooks:
            hook.remove()
        yield from ((step, place, size) for place, size in sizes.items())
        yield step, LOGITS, out.logits.abs().mean().item()
        optimizer.zero_grad()
        out.loss.backward()
        optimizer.step()


def _watch(model: PreTrainedModel) -> tuple[dict[str, float], list[torch.utils.hooks.RemovableHandle]]:
    """Hooks that note the mean |x| of every layer's output, and the dict that they fill."""
    sizes: dict[str, float] = {}

    def note(place: str) -> Callable:
        def hook(module: torch.nn.Module, args: tuple, output: torch.Tensor | tuple) -> None:
            out = output[0] if isinstance(output, tuple) else output
            sizes[place] = out.detach().abs().mean().item()

        return hook

    layers = model.get_submodule("model.layers").children()
    return sizes, [layer.register_forward_hook(note(f"layer {i}")) for i, layer in enumerate(layers)]
