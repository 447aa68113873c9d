"""What one of several processes (torchrun, accelerate launch) does for all of them."""

import os
from collections.abc import Callable
from pathlib import Path

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list

from eulerstack.diagnostics import EulerStackError


def once(begin: Callable[[], Path]) -> Path:
    """What `begin` gives, called in the first process alone; what it raises, all raise."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return begin()
    processes = PartialState(cpu=not torch.accelerator.is_available())
    said: list[Path | EulerStackError | None] = [None]
    if processes.is_main_process:
        try:
            said = [begin()]
        except EulerStackError as failure:
            said = [failure]
    broadcast_object_list(said)
    (answer,) = said
    if isinstance(answer, EulerStackError):
        raise answer
    assert answer is not None
    return answer


def is_first() -> bool:
    """Whether this is the process that speaks."""
    return os.environ.get("RANK", "0") == "0"
