"""Where a model's numbers first became infinite or undefined."""

from collections.abc import Iterator

import torch
from torch import nn


class NotFinite(Exception):  # noqa: N818 (it says what a number is)
    """Training cannot go on. `place` names the module or parameter where it shows first, `kind` what of it is wrong:
    parameters (before the step), loss (a module's output) or gradient.
    """

    def __init__(self, step: int, kind: str, place: str):
        super().__init__(f"step {step}: {kind} of {place}")
        self.step, self.kind, self.place = step, kind, place


def bad_parameter(model: nn.Module) -> str | None:
    """The first parameter or buffer that is not finite."""
    named = (*model.named_parameters(), *model.named_buffers())
    return next((name for name, tensor in named if tensor.is_floating_point() and not tensor.isfinite().all()), None)


def bad_gradient(model: nn.Module) -> str | None:
    """Of the parameters with a gradient that is not finite, the last: gradients come from the back."""
    names = [name for name, p in model.named_parameters() if p.grad is not None and not p.grad.isfinite().all()]
    return names[-1] if names else None


@torch.no_grad()
def bad_module(model: nn.Module, inputs: dict[str, torch.Tensor]) -> str | None:
    """The first module, as they end, whose output is not finite; the forward runs once more for it."""
    found: list[str] = []

    def watch(name: str):  # type: ignore[no-untyped-def]
        def hook(module: nn.Module, args: tuple, output: object) -> None:
            if not found and any(not tensor.isfinite().all() for tensor in _floating(output)):
                found.append(name)

        return hook

    handles = [module.register_forward_hook(watch(name)) for name, module in model.named_modules() if name]
    try:
        model(**inputs)
    finally:
        for handle in handles:
            handle.remove()
    return found[0] if found else None


def _floating(output: object) -> Iterator[torch.Tensor]:
    if isinstance(output, torch.Tensor):
        if output.is_floating_point():
            yield output
    elif isinstance(output, (tuple, list)):
        for part in output:
            yield from _floating(part)
    elif isinstance(output, dict):
        yield from _floating(list(output.values()))
