"""Rows of one length cut from a stream of tokens."""

import numpy as np
import torch
from torch.utils.data import Dataset

from eulerstack.training.data.store import Part

IGNORED = -100
"""The label of a token that is not to be predicted."""


class Rows(Dataset[dict[str, torch.Tensor]]):
    """A part of the data as rows of `length` tokens, documents one after the other (what is left over is dropped).

    Each row is a dict of tensors [length]: `input_ids`; `position_ids`, which jump back to 0 where a document begins
    and so keep documents apart; `labels`, the tokens themselves, but for a document's first one, which nothing
    before it can tell.
    """

    def __init__(self, part: Part, length: int):
        self.part, self.length = part, length

    def __len__(self) -> int:
        return len(self.part.tokens) // self.length

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        first = index * self.length
        tokens = torch.from_numpy(self.part.tokens[first : first + self.length].astype(np.int64))
        starts = self.part.starts
        inside = starts[np.searchsorted(starts, first) : np.searchsorted(starts, first + self.length)] - first
        labels = tokens.clone()
        labels[inside] = IGNORED
        origin = np.zeros(self.length, dtype=np.int64)
        origin[inside] = inside
        positions = np.arange(self.length) - np.maximum.accumulate(origin)
        return {"input_ids": tokens, "position_ids": torch.from_numpy(positions), "labels": labels}

    def spread(self, count: int) -> dict[str, torch.Tensor]:
        """`count` of the rows (all, where there are fewer) at equal distances, each tensor [count, length]."""
        count = min(count, len(self))
        rows = [self[index * len(self) // count] for index in range(count)]
        return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}
