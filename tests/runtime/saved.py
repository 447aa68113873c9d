"""What autograd keeps for the backward pass of a built model."""

from collections.abc import Callable

import torch
from torch.autograd.graph import saved_tensors_hooks


def saved_storages(model: torch.nn.Module, run: Callable[[], object]) -> dict[int, int]:
    """Bytes by storage of everything that a run saves, parameters and buffers left out."""
    own = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    kept: dict[int, int] = {}
    alive: list[torch.Tensor] = []  # a freed storage's address would be used again

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        run()
    return kept


def saved_bytes(model: torch.nn.Module, run: Callable[[], object]) -> int:
    """Their sum."""
    return sum(saved_storages(model, run).values())
