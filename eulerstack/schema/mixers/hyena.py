"""Hyena: gated long convolutions whose filters are implicit functions of time (Poli 2023)."""

from dataclasses import dataclass
from typing import ClassVar

from eulerstack.schema.base import Dims, Keys, NonNegative, Size
from eulerstack.schema.report import Report


class HyenaKeys(Keys):
    """`mixer.hyena` as an author writes it."""

    depth: Size = 2
    filter_hidden: Size = 64
    filter_decay: NonNegative = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyena:
    """A Hyena operator of order `depth`; `filter_decay` 0 is the published modulation."""

    type: ClassVar[str] = "hyena"
    key: ClassVar[str] = "hyena"

    depth: int
    filter_hidden: int
    filter_decay: float

    @classmethod
    def resolve(cls, keys: HyenaKeys, dims: Dims) -> "Hyena":
        """Nothing here derives from the model."""
        return cls(depth=keys.depth, filter_hidden=keys.filter_hidden, filter_decay=keys.filter_decay)


def check(keys: HyenaKeys, dims: Dims, report: Report) -> None:
    """An operator has at least one long convolution."""
    if keys.depth < 2:
        report("hyena-order-too-small", ("depth",), depth=keys.depth)
