"""Branched mixers: several mixers on one input, their outputs weighed per token."""

import re
from collections.abc import Iterator
from typing import ClassVar, Literal

from eulerstack.records import dataclass
from eulerstack.schema.base import Dims, Keys, Parameter, Size, StateElements, linear
from eulerstack.schema.mixers.single import SingleMixerKeys, check_single, resolve_single
from eulerstack.schema.primitive import Mixer
from eulerstack.schema.report import Report, below
from eulerstack.schema.saved import Saved, together
from eulerstack.schema.work import NOTHING, Call, Work, product, total

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


class SelectorKeys(Keys):
    """`branched.selector`: what weighs the branches."""

    type: Literal["learned_gate", "top_k", "sum"] = "learned_gate"
    top_k: Size | None = None
    input: Literal["hidden", "embedding"] = "hidden"


class FactorsKeys(Keys):
    """`branched.factors.<branch>`: fixed factors around one branch (Falcon-H1)."""

    input: float = 1.0
    output: float = 1.0


class BranchedKeys(Keys):
    """`mixer.branched` as an author writes it."""

    branches: dict[str, SingleMixerKeys]
    selector: SelectorKeys = SelectorKeys.model_construct()
    factors: dict[str, FactorsKeys] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """A softmax over all branches, or over the chosen `top_k` (None for the others); sum: every weight is 1."""

    type: Literal["learned_gate", "top_k", "sum"]
    top_k: int | None
    input: Literal["hidden", "embedding"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """What a branch's input and output are multiplied with."""

    input: float
    output: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Branched:
    """Every branch sees every token; the selector weighs their outputs. `factors`: of the branches that have any."""

    type: ClassVar[str] = "branched"
    key: ClassVar[str] = "branched"

    branches: dict[str, Mixer]
    selector: Selector
    factors: dict[str, Factors] | None

    @classmethod
    def resolve(cls, keys: BranchedKeys, dims: Dims) -> "Branched":
        """One branch is chosen where top_k is not written."""
        selector = keys.selector
        return cls(
            branches={name: resolve_single(branch, dims) for name, branch in keys.branches.items()},
            selector=Selector(
                type=selector.type,
                top_k=(selector.top_k or 1) if selector.type == "top_k" else None,
                input=selector.input,
            ),
            factors=_factors(keys.factors or {}),
        )

    def parameters(self, d_model: int) -> Iterator[Parameter]:
        """The branches' own, and one score per branch unless they are summed. All branches run on every token."""
        for name, branch in self.branches.items():
            for parameter in branch.parameters(d_model):
                yield parameter.below(f"branch_{name}")
        if self.selector.type != "sum":
            yield from linear("selector", d_model, len(self.branches), kind="router")

    def state_elements(self, d_model: int, tokens: int) -> StateElements:
        """The branches' together."""
        each = [branch.state_elements(d_model, tokens) for branch in self.branches.values()]
        return {"fp32": sum(own.get("fp32", 0) for own in each), "model": sum(own.get("model", 0) for own in each)}

    def work(self, d_model: int, call: Call) -> Work:
        """The branches' together, and the gate's scores."""
        scores = NOTHING if self.selector.type == "sum" else product(call.rows, d_model, len(self.branches))
        return scores + total(branch.work(d_model, call) for branch in self.branches.values())

    def saved(self, d_model: int, call: Call) -> Saved:
        """The branches' together, with one input for all; their outputs, which their weights need."""
        each = together(branch.saved(d_model, call) for branch in self.branches.values())
        others = len(self.branches) - 1
        weighed = len(self.branches) * (d_model + 1) if self.selector.type != "sum" else 0
        return each + Saved(model=call.rows * (weighed - others * d_model))


def _factors(written: dict[str, FactorsKeys]) -> dict[str, Factors] | None:
    factors = {name: Factors(**dict(keys)) for name, keys in written.items()}
    return {name: pair for name, pair in factors.items() if pair != Factors(input=1.0, output=1.0)} or None


def check(keys: BranchedKeys, dims: Dims, report: Report) -> None:
    """At least two well-named branches, each right in itself; no more chosen than there are; factors of no others."""
    if len(keys.branches) < 2:
        report("branches-too-few", ("branches",), count=len(keys.branches))
    for name, branch in keys.branches.items():
        if not _NAME.fullmatch(name):
            report("branch-name", ("branches", name), name=name)
        check_single(branch, dims, below(report, "branches", name))
    selector = keys.selector
    if selector.top_k and selector.type != "top_k":
        report("selector-top-k-unused", ("selector", "top_k"), type=selector.type)
    elif selector.top_k and selector.top_k > len(keys.branches):
        report("top-k-above-branches", ("selector", "top_k"), top_k=selector.top_k, branches=len(keys.branches))
    if selector.type == "sum" and selector.input != "hidden":
        report("selector-input-unused", ("selector", "input"))
    for name in keys.factors or {}:
        if name not in keys.branches:
            report("factors-of-no-branch", ("factors", name), name=name, branches=", ".join(keys.branches))
    if selector.input == "embedding" and dims.d_embedded not in (None, dims.d_model):
        report("selector-width", ("selector", "input"), d_embedded=dims.d_embedded, d_model=dims.d_model)
