"""`eulerstack import`: a directory of a known HuggingFace family → a spec, and the same model as our directory.

The directory's config.json is read as JSON, its weights as safetensors, one tensor at a time; nothing in it is ever
executed.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from eulerstack.compiler import Brought, CompileResult, Progress, Tensor, compile_model
from eulerstack.compiler.tokenizer import SavedTokenizer, SpecialIds
from eulerstack.compiler.weights import MAX_SHARD_SIZE
from eulerstack.diagnostics import Diagnostic, error
from eulerstack.interop.checkpoint import Checkpoint, has_weights
from eulerstack.interop.generation import generation_config
from eulerstack.interop.reading import Reading, family_in, read
from eulerstack.interop.tokenizer import copy_tokenizer
from eulerstack.interop.weights import Recipe
from eulerstack.ir import Model, parameter_table

if TYPE_CHECKING:
    import numpy as np

SHOWN = 8
"""How many tensors an error names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """An import's outcome: the spec as YAML, the model that it means, the directory written, what to know."""

    yaml: str
    model: Model
    compiled: CompileResult
    warnings: tuple[Diagnostic, ...]


def import_model(
    directory: str | Path,
    target: str | Path,
    *,
    overwrite: bool = False,
    max_shard_size: int = MAX_SHARD_SIZE,
    progress: Callable[[Progress], None] | None = None,
) -> Imported:
    """Import the HuggingFace model in `directory` to `target`, complete or not at all.

    Raises EulerStackError: for a family that is not known, a key of config.json that cannot be expressed exactly,
    weights that are pickled, missing or do not fit, a target that must not be written.
    """
    directory, target = Path(directory), Path(target)
    family = family_in(directory)
    if directory.resolve().is_relative_to(target.resolve()):
        raise error("import-onto-itself", params={"path": target})
    with Checkpoint(directory, family.prefix, family.head) as checkpoint:
        reading = read(directory, checkpoint)
        compiled = compile_model(
            reading.model,
            target,
            source_text=reading.source.text,
            overwrite=overwrite,
            brought=brought(directory, reading, checkpoint),
            max_shard_size=max_shard_size,
            progress=progress,
        )
    warnings = (*reading.warnings, *compiled.warnings)
    return Imported(yaml=reading.source.text, model=reading.model, compiled=compiled, warnings=warnings)


def import_spec(directory: str | Path) -> Reading:
    """What a HuggingFace directory means; weights are asked where they are there, and not needed. Raises as `read`."""
    directory = Path(directory)
    family = family_in(directory)
    if not has_weights(directory):
        return read(directory)
    with Checkpoint(directory, family.prefix, family.head) as checkpoint:
        return read(directory, checkpoint)


def brought(directory: Path, reading: Reading, checkpoint: Checkpoint) -> Brought:
    """Everything that the compiler would otherwise make: weights, their types, tokenizer, generation config."""
    recipes = recipes_for(reading, checkpoint)
    integers = {parameter.name for parameter in parameter_table(reading.model) if parameter.integer}
    ids = SpecialIds(*(reading.tokens[f"{name}_token_id"] for name in ("bos", "eos", "pad")))

    def stream(tensors: Sequence[Tensor]) -> "Iterator[np.ndarray]":
        for tensor in tensors:
            yield stored(made(recipes[tensor.name], checkpoint, tensor))

    return Brought(
        stream=stream,
        dtypes={
            name: checkpoint.dtype(recipe.sources[0], integer=name in integers) for name, recipe in recipes.items()
        },
        tokenizer=lambda staging: SavedTokenizer(bool(copy_tokenizer(directory, staging)), ids),
        generation=generation_config(directory, reading.tokens),
    )


def recipes_for(reading: Reading, checkpoint: Checkpoint) -> dict[str, Recipe]:
    """The recipe that the checkpoint serves for each of our tensors; all its tensors must be used."""
    recipes: dict[str, Recipe] = {}
    missing: list[str] = []
    for assignment in reading.assignments():
        candidates = assignment.recipes
        if assignment.target == "model.embed_tokens.weight" and reading.model.head.tie_weights:
            candidates = (*candidates, Recipe((reading.family.head,)))
        recipe = next((r for r in candidates if all(name in checkpoint for name in r.sources)), None)
        if recipe is None:
            missing += [name for name in candidates[0].sources if name not in checkpoint]
        else:
            recipes[assignment.target] = recipe
    if missing:
        raise error("import-missing-tensor", params={"names": listed(missing)})
    used = {name for recipe in recipes.values() for name in recipe.sources}
    if reading.model.head.tie_weights:
        used.add(reading.family.head)
    if reading.family.layers_beyond:
        used |= {name for name in checkpoint.names() if layer_of(name) >= len(reading.model.schedule)}
    leftover = checkpoint.leftover(used, reading.family.ignored)
    if leftover:
        raise error("import-unexpected-tensor", params={"names": listed(leftover)})
    return recipes


def layer_of(name: str) -> int:
    """The number of the layer that a checkpoint's tensor belongs to; −1 outside the layers."""
    found = re.match(r"model\.layers\.(\d+)\.", name)
    return int(found.group(1)) if found else -1


def made(recipe: Recipe, checkpoint: Checkpoint, tensor: Tensor) -> torch.Tensor:
    """One of our tensors, contiguous. Raises CompileError where its shape is not what config.json means."""
    try:
        value = recipe.transform([checkpoint.read(name) for name in recipe.sources])
    except (RuntimeError, ValueError, IndexError):
        value = torch.empty(0)
    if tuple(value.shape) != tensor.shape:
        found = ", ".join(str(list(checkpoint.shape(name))) for name in recipe.sources[:2])
        params = {"name": recipe.sources[0], "found": found, "expected": list(tensor.shape)}
        raise error("import-tensor-shape", params=params)
    return value.contiguous()


def stored(tensor: torch.Tensor) -> "np.ndarray":
    """The tensor's bytes as the weight writer wants them: little-endian, one-dimensional, bfloat16 as uint16."""
    flat = tensor.reshape(-1)
    return (flat.view(torch.uint16) if flat.dtype is torch.bfloat16 else flat).numpy()


def listed(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" … (+{rest})" if rest > 0 else "")
