"""What every resolved mixer and ffn says of its cost, without being built."""

from typing import Protocol

from eulerstack.schema.base import Resolved, StateElements
from eulerstack.schema.work import Call, Work


class Primitive(Resolved, Protocol):
    """A part of a layer that has parameters and does work."""

    def work(self, d_model: int, call: Call) -> Work:
        """What one call computes, for a stream of width `d_model`."""


class Mixer(Primitive, Protocol):
    """A part that mixes tokens, and so keeps a state while decoding."""

    def state_elements(self, d_model: int, tokens: int) -> StateElements:
        """How many numbers that state holds after `tokens` tokens."""
