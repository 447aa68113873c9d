"""How each tensor starts: the model-wide policy `training_hints.init` turned into one concrete law per tensor.

A law is a plain mapping, `{"law": "normal", "std": 0.02}`, that the weight writer and the runtime's `_init_weights`
both read; nothing about initialisation is decided anywhere else. Under μP a tensor that learns slower in a wider model
says by what its learning rate is multiplied: `{"law": "normal", "std": 0.01, "lr_scale": 0.25}`.
"""

from dataclasses import replace
from math import sqrt
from typing import Any, Literal

from eulerstack.ir.modules import depth
from eulerstack.ir.nodes import Model
from eulerstack.ir.parameters import parameter_table
from eulerstack.ir.width import growing_fan_in, growing_fan_out
from eulerstack.records import dataclass
from eulerstack.schema.base import Init, Parameter

Law = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class InitPolicy:
    """The policy of one model.

    - normal_0.02: N(0, 0.02²) for every matrix (GPT-2); another `init_std` takes the place of 0.02.
    - scaled: the same, and matrices that write to the residual stream divided by √(2·layers) (GPT-2, Radford 2019).
    - xavier: U(±√(6 / (fan_in + fan_out))) for matrices, N(0, init_std²) for embeddings (Glorot 2010).
    - small: N(0, 2/(5·d_model)) for every matrix (Nguyen & Salazar 2019).

    Under μP (Yang 2022, table 8) the policy sets the scale at `scaling.base_width`, whose fans are smaller by
    m = d_model/base_width. A matrix whose fan_in grows with the width is divided by √m and learns with 1/m of the
    learning rate; the readout, tied or not, keeps both, and its logits are divided by m (`readout_multiplier`). A
    state's decays, one a head, stay as they are spread at the base, m heads having each.
    """

    name: Literal["normal_0.02", "scaled", "xavier", "small"]
    init_std: float
    d_model: int
    layers: int
    multiplier: float = 1.0
    wide_in: frozenset[str] = frozenset()
    wide_out: frozenset[str] = frozenset()

    @classmethod
    def of(cls, model: Model) -> "InitPolicy":
        """The policy that the model's training_hints name."""
        hints = model.training_hints
        policy = cls(
            name=hints["init"], init_std=hints["init_std"], d_model=model.d_model, layers=depth(model.schedule)
        )
        if hints["scaling"]["parametrization"] == "standard":
            return policy
        return replace(
            policy,
            multiplier=model.d_model / hints["scaling"]["base_width"],
            wide_in=growing_fan_in(model),
            wide_out=growing_fan_out(model),
        )

    @property
    def std(self) -> float:
        """The standard deviation of an ordinary matrix: what config.json calls initializer_range."""
        return sqrt(2 * self.multiplier / (5 * self.d_model)) if self.name == "small" else self.init_std

    @property
    def readout_multiplier(self) -> float:
        """What logits are multiplied by, besides `head.logit_scale`."""
        return 1 / self.multiplier

    def law(self, parameter: Parameter) -> Law:
        """The concrete law of a tensor."""
        if parameter.init.kind == "log_of_index" and parameter.name in self.wide_out and self.multiplier != 1:
            return {"law": "log_of_index", "every": self.multiplier}
        slower = parameter.name in self.wide_in and parameter.init.kind != "readout" and not parameter.buffer
        law = self._at_base(parameter)
        if not slower or self.multiplier == 1:
            return law
        if parameter.init.kind in MATRICES:
            law |= {key: law[key] / sqrt(self.multiplier) for key in ("std", "low", "high") if key in law}
        return law | {"lr_scale": 1 / self.multiplier}

    def _at_base(self, parameter: Parameter) -> Law:
        init = parameter.init
        match init.kind:
            case "zeros" | "ones":
                return {"law": init.kind}
            case "constant":
                return {"law": "constant", "value": init.value}
            case "values":
                return {"law": "values", "values": list(init.values)}
            case "embedding":
                return {"law": "normal", "std": self.std}
            case kind if kind in MATRICES:
                return self._matrix(parameter.name, init)
            case own:
                return {"law": own, **dict(init.arguments)}

    def _matrix(self, name: str, init: Init) -> Law:
        own_std = dict(init.arguments).get("std")
        if own_std is not None:
            return {"law": "normal", "std": own_std}
        if self.name == "xavier":
            fan_in = init.fan_in / (self.multiplier if name in self.wide_in else 1)
            fan_out = init.fan_out / (self.multiplier if name in self.wide_out else 1)
            bound = sqrt(6 / (fan_in + fan_out))
            return {"law": "uniform", "low": -bound, "high": bound}
        if self.name == "scaled" and init.kind == "residual":
            return {"law": "normal", "std": self.std / sqrt(2 * self.layers)}
        return {"law": "normal", "std": self.std}


MATRICES = ("hidden", "residual", "readout", "router")
"""The kinds of Init whose scale the policy sets."""


def laws(model: Model) -> dict[str, Law]:
    """The law of every tensor of the built model, by its full state_dict name."""
    return laws_of(InitPolicy.of(model), parameter_table(model))


def laws_of(policy: InitPolicy, parameters: tuple[Parameter, ...]) -> dict[str, Law]:
    """The law of each of these tensors, by the name it bears here."""
    return {parameter.name: policy.law(parameter) for parameter in parameters}
