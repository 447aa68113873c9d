"""How each tensor starts: the model-wide policy `training_hints.init` turned into one concrete law per tensor.

A law is a plain mapping, `{"law": "normal", "std": 0.02}`, that the weight writer and the runtime's `_init_weights`
both read; nothing about initialisation is decided anywhere else.
"""

from dataclasses import dataclass
from math import sqrt
from typing import Any, Literal

from eulerstack.ir.modules import depth
from eulerstack.ir.nodes import Model
from eulerstack.ir.parameters import parameter_table
from eulerstack.schema.base import Init, Parameter

Law = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class InitPolicy:
    """The policy of one model.

    - normal_0.02: N(0, 0.02²) for every matrix (GPT-2); another `init_std` takes the place of 0.02.
    - scaled: the same, and matrices that write to the residual stream divided by √(2·layers) (GPT-2, Radford 2019).
    - xavier: U(±√(6 / (fan_in + fan_out))) for matrices, N(0, init_std²) for embeddings (Glorot 2010).
    - small: N(0, 2/(5·d_model)) for every matrix (Nguyen & Salazar 2019).
    """

    name: Literal["normal_0.02", "scaled", "xavier", "small"]
    init_std: float
    d_model: int
    layers: int

    @classmethod
    def of(cls, model: Model) -> "InitPolicy":
        """The policy that the model's training_hints name."""
        hints = model.training_hints
        return cls(name=hints["init"], init_std=hints["init_std"], d_model=model.d_model, layers=depth(model.schedule))

    @property
    def std(self) -> float:
        """The standard deviation of an ordinary matrix: what config.json calls initializer_range."""
        return sqrt(2 / (5 * self.d_model)) if self.name == "small" else self.init_std

    def law(self, init: Init) -> Law:
        """The concrete law of a tensor that starts as `init`."""
        match init.kind:
            case "zeros" | "ones":
                return {"law": init.kind}
            case "constant":
                return {"law": "constant", "value": init.value}
            case "values":
                return {"law": "values", "values": list(init.values)}
            case "embedding":
                return {"law": "normal", "std": self.std}
            case "hidden" | "residual" | "readout" | "router":
                return self._matrix(init)
            case own:
                return {"law": own, **dict(init.arguments)}

    def _matrix(self, init: Init) -> Law:
        own_std = dict(init.arguments).get("std")
        if own_std is not None:
            return {"law": "normal", "std": own_std}
        if self.name == "xavier":
            bound = sqrt(6 / (init.fan_in + init.fan_out))
            return {"law": "uniform", "low": -bound, "high": bound}
        if self.name == "scaled" and init.kind == "residual":
            return {"law": "normal", "std": self.std / sqrt(2 * self.layers)}
        return {"law": "normal", "std": self.std}


def laws(model: Model) -> dict[str, Law]:
    """The law of every tensor of the built model, by its full state_dict name."""
    return laws_of(InitPolicy.of(model), parameter_table(model))


def laws_of(policy: InitPolicy, parameters: tuple[Parameter, ...]) -> dict[str, Law]:
    """The law of each of these tensors, by the name it bears here."""
    return {parameter.name: policy.law(parameter.init) for parameter in parameters}
