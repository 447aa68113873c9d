"""Where each tensor of our model comes from: rules from names in a checkpoint to names in the built model.

A rule's target and sources may hold `{i}`, the layer. A source may hold `{e}`, the expert: it stands for as many
tensors as there are experts, in order. Transforms are linear, so that they map gradients as they map weights.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch

Transform = Callable[[Sequence[torch.Tensor]], torch.Tensor]


def same(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """The only tensor, as it is."""
    (tensor,) = tensors
    return tensor


def transposed(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """[in, out] → [out, in]: GPT-2's Conv1D keeps its matrix the other way round. A bias stays as it is."""
    tensor = same(tensors)
    return tensor.T if tensor.ndim == 2 else tensor


def part(tensors: Sequence[torch.Tensor], *, index: int, of: int) -> torch.Tensor:
    """Part `index` of `of` equal parts of the last dimension, transposed if it is a matrix: Conv1D's fused q, k, v."""
    return transposed([same(tensors).chunk(of, dim=-1)[index]])


def rows_from(tensors: Sequence[torch.Tensor], *, first: int) -> torch.Tensor:
    """All rows but those before `first`."""
    return same(tensors)[first:]


def stacked(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """One matrix per expert → [experts, …]."""
    return torch.stack(list(tensors))


def stacked_gate_up(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """All gates, then all ups, one [f, d] matrix per expert → [experts, 2f, d], the gate above."""
    half = len(tensors) // 2
    return torch.stack([torch.cat(pair) for pair in zip(tensors[:half], tensors[half:], strict=True)])


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way to make a tensor: from these, by this transform."""

    sources: tuple[str, ...]
    transform: Transform = same


@dataclass(frozen=True, slots=True)
class Rule:
    """How the tensors of one name are made: by the first recipe whose sources are all there."""

    target: str
    recipes: tuple[Recipe, ...]


@dataclass(frozen=True, slots=True)
class Assignment:
    """A rule at one layer: our tensor and the recipes for it, every name written out."""

    target: str
    recipes: tuple[Recipe, ...]


def rule(target: str, *sources: str, transform: Transform = same) -> Rule:
    """A rule with one recipe."""
    return Rule(target, (Recipe(sources, transform),))


def linear(target: str, source: str, transform: Transform = same) -> tuple[Rule, Rule]:
    """The rules of an nn.Linear: weight and bias. A model without the bias has no tensor that asks for it."""
    return tuple(rule(f"{target}.{name}", f"{source}.{name}", transform=transform) for name in ("weight", "bias"))  # type: ignore[return-value]


def conv1d_part(target: str, source: str, index: int, of: int) -> tuple[Rule, Rule]:
    """The rules of one part of a fused Conv1D."""
    return linear(target, source, partial(part, index=index, of=of))


def assign(rules: Iterable[Rule], targets: Iterable[str], experts: int = 0) -> Iterator[Assignment]:
    """For each of our tensors, in order, its recipes. Raises LookupError for a tensor that no rule makes."""
    patterns = [(_pattern(rule.target), rule) for rule in rules]
    for target in targets:
        found = next(((match, rule) for pattern, rule in patterns if (match := pattern.fullmatch(target))), None)
        if found is None:
            raise LookupError(target)
        match, rule = found
        layer = match.groupdict().get("i", "")
        yield Assignment(target, tuple(_at(recipe, layer, experts) for recipe in rule.recipes))


def _pattern(target: str) -> re.Pattern[str]:
    return re.compile(re.escape(target).replace(r"\{i\}", r"(?P<i>\d+)"))


def _at(recipe: Recipe, layer: str, experts: int) -> Recipe:
    names: list[str] = []
    for source in recipe.sources:
        source = source.replace("{i}", layer)
        names += [source.replace("{e}", str(e)) for e in range(experts)] if "{e}" in source else [source]
    return replace(recipe, sources=tuple(names))
