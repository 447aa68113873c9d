"""The HuggingFace model directory: configuration, weights, tokenizer, spec, model card and the runtime's files."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from eulerstack.compiler.atomic import new_directory
from eulerstack.compiler.brought import Brought
from eulerstack.compiler.card import DRAWING, Facts, drawing_of, model_card
from eulerstack.compiler.config import config_dict, generation_config_dict
from eulerstack.compiler.runtime_files import copy_runtime
from eulerstack.compiler.verify import faults
from eulerstack.compiler.weights import MAX_SHARD_SIZE, Tensor, bytes_needed, plan, write
from eulerstack.diagnostics import Diagnostic, error, reason
from eulerstack.ir.laws import InitPolicy, laws_of
from eulerstack.ir.nodes import Model
from eulerstack.ir.parameters import parameter_table
from eulerstack.ir.print import SPEC_FILE, print_yaml
from eulerstack.ir.totals import count
from eulerstack.schema.base import Parameter

SPARE = 64 * 2**20
"""Bytes on disk beyond the weights: tokenizer, code and what the file system keeps for itself."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far writing is: `done` of `total` bytes of weights; `total` 0 where a stage has no measure."""

    stage: Literal["tokenizer", "weights", "verification"]
    done: int = 0
    total: int = 0


Report = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Written:
    """What a finished directory holds."""

    path: Path
    files: tuple[str, ...]
    parameters: int
    bytes: int
    warnings: tuple[Diagnostic, ...]


def tensors_of(model: Model, dtypes: Mapping[str, str] | None = None) -> tuple[Tensor, ...]:
    """Every tensor of the model as it is written: its law, and its type on disk (`dtypes`, else as the spec says)."""
    table = parameter_table(model)
    found = laws_of(InitPolicy.of(model), table)
    types = {parameter.name: _dtype(parameter, model.dtype) for parameter in table} | dict(dtypes or {})
    return tuple(Tensor(p.name, p.shape, found[p.name], types[p.name]) for p in table)


def write_directory(
    model: Model,
    target: str | Path,
    brought: Brought,
    *,
    source_text: str | None = None,
    overwrite: bool = False,
    max_shard_size: int = MAX_SHARD_SIZE,
    progress: Report | None = None,
) -> Written:
    """Write `model` to `target`, complete or not at all; `source_text` is the author's own spec.

    Raises CompileError, also for what the operating system refuses.
    """
    target = Path(target)
    report = progress or (lambda _: None)
    tensors = tensors_of(model, brought.dtypes)
    shards = plan(tensors, max_shard_size)
    with _told(target), new_directory(target, overwrite=overwrite) as staging:
        _check_space(staging, bytes_needed(shards) + SPARE)
        report(Progress("tokenizer"))
        saved = brought.tokenizer(staging)
        write(shards, staging, brought.stream, advance=_counting(report, sum(tensor.nbytes for tensor in tensors)))
        copy_runtime(staging)
        _write_spec(staging, model, source_text)
        _write_card(staging, model, Facts(target.name, saved.exists, brought.seed))
        config = config_dict(model, saved.ids)
        generation = generation_config_dict(saved.ids) if brought.generation is None else brought.generation
        _write_json(staging / "generation_config.json", generation)
        _write_json(staging / "config.json", config)
        report(Progress("verification"))
        if fault := next(faults(staging, tensors, config), None):
            raise error("verification-failed", params={"fault": fault})
        sizes = {path.name: path.stat().st_size for path in sorted(staging.iterdir())}
    return Written(target, tuple(sizes), count(model).total, sum(sizes.values()), saved.warnings)


def _write_spec(directory: Path, model: Model, source_text: str | None) -> None:
    _write_text(directory / SPEC_FILE, print_yaml(model))
    if source_text is not None:
        _write_text(directory / "eulerstack.source.yml", source_text)


def _write_card(directory: Path, model: Model, facts: Facts) -> None:
    drawing = drawing_of(model)
    if drawing is not None:
        _write_text(directory / DRAWING, drawing)
    _write_text(directory / "README.md", model_card(model, facts, drawn=drawing is not None))


def _check_space(directory: Path, needed: int) -> None:
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise error("disk-full", params={"needed": _gib(needed), "free": _gib(free), "path": directory.parent})


def _gib(count: int) -> str:
    return f"{count / 2**30:.2f} GiB"


def _counting(report: Report, total: int) -> Callable[[int], None]:
    """Turns numbers of bytes just written into reports of how far it is."""
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        report(Progress("weights", done, total))

    report(Progress("weights", 0, total))
    return advance


@contextmanager
def _told(target: Path) -> Iterator[None]:
    """What the operating system refuses, as a CompileError."""
    try:
        yield
    except OSError as refusal:
        raise error("write-failed", params={"path": target, "reason": reason(refusal)}) from refusal


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, "utf-8", newline="")


def _write_json(path: Path, content: dict[str, Any]) -> None:
    _write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def check_json_target(path: str | Path, spec: Path | None = None) -> None:
    """Refuse a target that is a directory, has no parent, or is the file of the spec itself. Raises CompileError."""
    path = Path(path)
    with _told(path):
        if path.is_dir():
            raise error("target-is-directory", params={"path": path})
        if not path.parent.is_dir():
            raise error("target-parent-missing", params={"path": path, "parent": path.parent})
        if spec is not None and path.exists() and spec.exists() and path.samefile(spec):
            raise error("target-is-spec", params={"path": path})


def write_json_file(path: str | Path, content: dict[str, Any]) -> None:
    """Write one JSON file, complete or not at all. Raises CompileError."""
    path = Path(path)
    check_json_target(path)
    staging = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with _told(path):
        try:
            _write_json(staging, content)
            os.replace(staging, path)
        finally:
            staging.unlink(missing_ok=True)


def _dtype(parameter: Parameter, model_dtype: str) -> str:
    """The type a tensor is stored in."""
    if parameter.integer:
        return "int64"
    return "float32" if parameter.fp32 else model_dtype
