"""Tokens in chunks that begin at each row's own first token, whatever padding or earlier calls did to the row.

Where all rows stand at the same place, tokens stay where they are and are cut at the chunks' borders. Where padding
made rows differ, their real tokens are laid out on a grid of whole chunks, so that a cut never falls inside one.

Shape suffixes: B batch, T tokens, L slots of a segment, G slots of the grid.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch.nn import functional as F

Place = int | torch.Tensor
"""How many real tokens came before: the same for all rows, or a number a row [B]."""


class Segment(NamedTuple):
    """Slots that lie in one chunk of every row.

    `places` [1 or B, L]: each slot's place in its chunk; `real` [B, L] bool: whether a token lies there (None: in all);
    `begins`: whether it is known that each of its tokens' chunks begins in it; `ends`, one for all or [B]: whether the
    row's chunk is whole after it; `chunk`, one for all or [B]: how many chunks of the row came before.
    """

    slots: slice
    places: torch.Tensor
    real: torch.Tensor | None
    begins: bool
    ends: bool | torch.Tensor
    chunk: Place


class ChunkRows:
    """The layout of `n_tokens` more tokens of every row, of which `token_mask` [B, T] tells the real ones.

    `before` says how many came before, `after` how many have come then; the state holds a tensor `after` as its
    `position`.
    """

    def __init__(self, size: int, x_BTM: torch.Tensor, token_mask: torch.Tensor | None, before: Place):
        batch, n_tokens = x_BTM.shape[:2]
        self.size, self.device, self.width = size, x_BTM.device, n_tokens
        self.before, self.first, self.after = before, before % size, before + n_tokens
        self.mask: torch.Tensor | None = None
        self.real: torch.Tensor | None = None
        self.index: torch.Tensor | None = None
        if token_mask is None and isinstance(before, int):
            return
        mask_BT = torch.ones_like(x_BTM[..., 0], dtype=torch.bool) if token_mask is None else token_mask.bool()
        self.mask, self.after = mask_BT, before + mask_BT.sum(dim=1)
        first_B = torch.as_tensor(self.first, device=self.device).expand(batch)
        if n_tokens == 1:
            self.real, self.first = mask_BT, first_B
            return
        reach = n_tokens + (self.first if isinstance(self.first, int) else size - 1)
        self.width = -(-reach // size) * size
        index_BT = first_B.unsqueeze(1) + mask_BT.cumsum(dim=1) - 1
        self.index, self.first = index_BT.masked_fill(~mask_BT, self.width), first_B
        self.real = self.lay_out(torch.ones_like(x_BTM[..., 0])).bool()

    @property
    def places(self) -> torch.Tensor:
        """Each slot's place in its chunk [1 or B, G]."""
        slots = torch.arange(self.width, device=self.device).unsqueeze(0)
        if self.index is not None:
            return slots % self.size
        return (slots + (self.first if isinstance(self.first, int) else self.first.unsqueeze(1))) % self.size

    def lay_out(self, x: torch.Tensor) -> torch.Tensor:
        """[B, T, …] → [B, G, …], zero where no token lies."""
        if self.mask is None:
            return x
        real = x * _like(self.mask, x)
        if self.index is None:
            return real
        grid = x.new_zeros(x.shape[0], self.width + 1, *x.shape[2:])
        return grid.scatter(1, _like(self.index, x).expand_as(x), real)[:, : self.width]

    def pick_up(self, y: torch.Tensor) -> torch.Tensor:
        """[B, G, …] → [B, T, …], zero for padding."""
        if self.mask is None:
            return y
        if self.index is not None:
            index = _like(self.index.clamp(max=self.width - 1), y)
            y = y.gather(1, index.expand(*index.shape[:2], *y.shape[2:]))
        return y * _like(self.mask, y)

    def segments(self) -> Iterator[Segment]:
        """The cuts, in order."""
        places, chunk = self.places, self.before // self.size
        if isinstance(self.first, int):
            start = 0
            while start < self.width:
                stop = min(start + self.size - (self.first + start) % self.size, self.width)
                begins, ends = ((self.first + border) % self.size == 0 for border in (start, stop))
                yield Segment(slice(start, stop), places[:, start:stop], None, begins, ends, chunk)
                start, chunk = stop, chunk + 1
            return
        assert self.mask is not None
        assert self.real is not None
        filled_B = self.first + self.mask.sum(dim=1)
        for start in range(0, self.width, self.size):
            slots = slice(start, min(start + self.size, self.width))
            ends_B = filled_B >= start + self.size
            yield Segment(slots, places[:, slots], self.real[:, slots], start > 0, ends_B, chunk)
            chunk = chunk + 1


def choose(ends: bool | torch.Tensor, yes: torch.Tensor, no: torch.Tensor) -> torch.Tensor:
    """For every row `yes` [B, …] where its chunk ends, else `no`."""
    if isinstance(ends, bool):
        return yes if ends else no
    return torch.where(ends.view(-1, *[1] * (yes.dim() - 1)), yes, no)


def pad_ones(x: torch.Tensor) -> torch.Tensor:
    """[..., I] → [..., I + 1], the last feature 1: what a bias is multiplied with."""
    return F.pad(x, (0, 1), value=1.0)


def _like(flags: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """[B, T] with as many dimensions as `x`; a bool becomes `x`'s dtype."""
    flags = flags.view(*flags.shape, *[1] * (x.dim() - 2))
    return flags.to(x.dtype) if flags.dtype is torch.bool else flags
