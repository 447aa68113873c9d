"""What every strategy draws from: tiny sizes, multiples of 16, so that every mixer's heads divide at every width."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

Plain = dict[str, Any]
Draw = Any

WIDTHS = (16, 32, 48)
HEADS = (1, 2, 4)
ACTIVATIONS = ("swiglu", "geglu", "silu", "gelu", "gelu_tanh", "relu", "relu2")
NORMS = ("rmsnorm", "layernorm")
POSITIONS = ("pre", "post", "sandwich", "output")

sizes = st.integers(1, 40)
fractions = st.sampled_from([0.0, 0.1, 0.25])
positive = st.sampled_from([0.01, 0.5, 1.0, 3.0])
words = st.sampled_from(["alpha", "beta", "on", "1e-5", "ㄱ 말", 'a "b": #c', "true"])


@dataclass(frozen=True)
class Frame:
    """What the parts of one spec must agree on."""

    d_model: int
    n_heads: int
    positional: str
    own_heads: bool

    @property
    def rope(self) -> bool:
        """Whether positions are RoPE's."""
        return self.positional == "rope"


def some(draw: Draw, **choices: Any) -> Plain:
    """Some of the keys, each with a value drawn from its strategy."""
    return {key: draw(strategy) for key, strategy in choices.items() if draw(st.booleans())}
