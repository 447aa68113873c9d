"""What every resolved mixer and ffn says of its cost, without being built."""

from typing import Protocol

from eulerstack.schema.base import Resolved, StateElements
from eulerstack.schema.saved import Saved
from eulerstack.schema.work import Call, Work


class Primitive(Resolved, Protocol):
    """A part of a layer that has parameters and does work."""

    def work(self, d_model: int, call: Call) -> Work:
        """What one call computes, for a stream of width `d_model`."""

    def saved(self, d_model: int, call: Call) -> Saved:
        """What one call in training keeps for its backward pass, its input among it."""


class Mixer(Primitive, Protocol):
    """A part that mixes tokens, and so keeps a state while decoding."""

    def state_elements(self, d_model: int, tokens: int) -> StateElements:
        """How many numbers that state holds after `tokens` tokens."""
