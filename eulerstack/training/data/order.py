"""The order in which rows are seen: every epoch all of them, each time shuffled anew."""

from functools import lru_cache

import numpy as np
import torch
from torch.utils.data import Dataset

from eulerstack.training.data.rows import Rows


class Endless(Dataset[dict[str, torch.Tensor]]):
    """`total` rows, epoch after epoch.

    The row at an index depends on it, on the seed and on nothing else: a run that goes on sees what it would have seen,
    and several processes see what one would.
    """

    def __init__(self, rows: Rows, total: int, seed: int):
        self.rows, self.total, self.seed = rows, total, seed

    def __len__(self) -> int:
        return self.total

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        epoch, place = divmod(index, len(self.rows))
        return self.rows[int(_shuffled(len(self.rows), self.seed, epoch)[place])]


@lru_cache(maxsize=2)
def _shuffled(count: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng((seed, epoch)).permutation(count)
