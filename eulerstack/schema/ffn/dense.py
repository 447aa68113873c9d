"""Dense feed-forward layers: the two-matrix MLP and its gated form (GLU variants: Shazeer 2020)."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from eulerstack.records import dataclass
from eulerstack.schema.base import Parameter, linear
from eulerstack.schema.saved import Saved
from eulerstack.schema.work import Call, Work, applied

Function = Literal["silu", "gelu", "gelu_tanh", "relu", "relu2"]
Activation = Literal["swiglu", "geglu", "silu", "gelu", "gelu_tanh", "relu", "relu2"]

GATES: dict[str, Function] = {"swiglu": "silu", "geglu": "gelu"}
"""The function that a gated activation applies to its gate."""


def gate_of(activation: Activation) -> Function:
    """The function on the gate: silu for swiglu, gelu for geglu, else the activation itself."""
    if activation == "swiglu" or activation == "geglu":
        return GATES[activation]
    return activation


@dataclass(frozen=True, slots=True, kw_only=True)
class Mlp:
    """down(f(up(x)))."""

    type: ClassVar[str] = "mlp"
    key: ClassVar[str] = "mlp"

    activation: Function
    bias: bool
    d_ff: int

    def parameters(self, d_model: int) -> Iterator[Parameter]:
        """2·d·f elements, and f + d with biases."""
        yield from linear("up_proj", d_model, self.d_ff, bias=self.bias)
        yield from linear("down_proj", self.d_ff, d_model, bias=self.bias, kind="residual")

    def work(self, d_model: int, call: Call) -> Work:
        """Two products."""
        return applied(self.parameters(d_model), call.rows)

    def saved(self, d_model: int, call: Call) -> Saved:
        """The input, the hidden layer before its function and after it; ReLU needs only the latter."""
        hidden = {"relu": 1, "relu2": 2}.get(self.activation, 2)
        return Saved(model=call.rows * (d_model + hidden * self.d_ff))


@dataclass(frozen=True, slots=True, kw_only=True)
class GatedMlp:
    """down(f(gate(x)) ⊙ up(x)); `activation` is f, the gate's (silu is SwiGLU)."""

    type: ClassVar[str] = "gated_mlp"
    key: ClassVar[str] = "gated_mlp"

    activation: Function
    bias: bool
    d_ff: int

    def parameters(self, d_model: int) -> Iterator[Parameter]:
        """3·d·f elements, and 2·f + d with biases."""
        yield from linear("gate_proj", d_model, self.d_ff, bias=self.bias)
        yield from linear("up_proj", d_model, self.d_ff, bias=self.bias)
        yield from linear("down_proj", self.d_ff, d_model, bias=self.bias, kind="residual")

    def work(self, d_model: int, call: Call) -> Work:
        """Three products."""
        return applied(self.parameters(d_model), call.rows)

    def saved(self, d_model: int, call: Call) -> Saved:
        """The input, the gate before its function (but ReLU's) and after it, its other factor, the product."""
        hidden = {"relu": 3, "relu2": 4}.get(self.activation, 4)
        return Saved(model=call.rows * (d_model + hidden * self.d_ff))
