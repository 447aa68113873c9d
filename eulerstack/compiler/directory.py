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
from eulerstack.compiler.card import DRAWING, model_card
from eulerstack.compiler.config import config_dict, generation_config_dict
from eulerstack.compiler.runtime_files import copy_runtime
from eulerstack.compiler.tokenizer import Mode, SavedTokenizer, save_tokenizer
from eulerstack.compiler.verify import faults
from eulerstack.compiler.weights import MAX_SHARD_SIZE, Tensor, bytes_needed, drawn, plan, write
from eulerstack.diagnostics import Diagnostic, error
from eulerstack.ir.laws import InitPolicy, laws_of
from eulerstack.ir.nodes import Model
from eulerstack.ir.parameters import parameter_table
from eulerstack.ir.print import print_yaml

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
    """Every tensor of the model as it is written: its law, and its type on disk, from `dtypes` if that is given."""
    table = parameter_table(model)
    found = laws_of(InitPolicy.of(model), table)
    stored = dtypes or {p.name: "float32" if p.fp32 else model.dtype for p in table}
    return tuple(Tensor(p.name, p.shape, found[p.name], stored[p.name]) for p in table)


def write_directory(
    model: Model,
    target: str | Path,
    *,
    source_text: str | None = None,
    overwrite: bool = False,
    tokenizer: Mode = "auto",
    seed: int = 0,
    brought: Brought | None = None,
    max_shard_size: int = MAX_SHARD_SIZE,
    progress: Report | None = None,
) -> Written:
    """Write `model` to `target`, complete or not at all.

    `source_text` is the author's own spec. `brought` is what an import gives; without it weights are drawn under `seed`.
    Raises CompileError, also for what the operating system refuses.
    """
    target = Path(target)
    report = progress or (lambda _: None)
    with _told(target), new_directory(target, overwrite=overwrite) as staging:
        written = _fill(model, staging, source_text, tokenizer, seed, brought, max_shard_size, report)
    return Written(target, *written)


def _fill(
    model: Model,
    directory: Path,
    source_text: str | None,
    mode: Mode,
    seed: int,
    brought: Brought | None,
    max_shard_size: int,
    report: Report,
) -> tuple[tuple[str, ...], int, int, tuple[Diagnostic, ...]]:
    tensors = tensors_of(model, brought.dtypes if brought else None)
    shards = plan(tensors, max_shard_size)
    _check_space(directory, bytes_needed(shards) + SPARE)
    report(Progress("tokenizer"))
    saved = brought.tokenizer(directory) if brought else _make_tokenizer(model, directory, mode)
    stream = brought.stream if brought else drawn(seed)
    write(shards, directory, stream, advance=_counting(report, sum(t.nbytes for t in tensors)))
    copy_runtime(directory)
    _write_text(directory / "eulerstack.yml", print_yaml(model))
    if source_text is not None:
        _write_text(directory / "eulerstack.source.yml", source_text)
    drawing, card = model_card(model, has_tokenizer=saved.exists, seed=None if brought else seed)
    if drawing is not None:
        _write_text(directory / DRAWING, drawing)
    _write_text(directory / "README.md", card)
    _write_json(directory / "generation_config.json", brought.generation if brought else generation_config_dict(saved.ids))
    config = config_dict(model, saved.ids)
    _write_json(directory / "config.json", config)
    report(Progress("verification"))
    if fault := next(faults(directory, tensors, config), None):
        raise error("verification-failed", params={"fault": fault})
    files = sorted(path.name for path in directory.iterdir())
    size = sum((directory / name).stat().st_size for name in files)
    return tuple(files), sum(tensor.count for tensor in tensors), size, saved.warnings


def _make_tokenizer(model: Model, directory: Path, mode: Mode) -> SavedTokenizer:
    return save_tokenizer(
        model.tokenizer, directory, vocab_size=model.vocab_size, max_length=model.max_seq_len, mode=mode
    )


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
        reason = refusal.strerror or str(refusal)
        raise error("write-failed", params={"path": target, "reason": reason}) from refusal


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, "utf-8", newline="")


def _write_json(path: Path, content: dict[str, Any]) -> None:
    _write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_json_file(path: str | Path, content: dict[str, Any]) -> None:
    """Write one JSON file, complete or not at all. Raises CompileError."""
    path = Path(path)
    if path.is_dir():
        raise error("target-is-directory", params={"path": path})
    if not path.parent.is_dir():
        raise error("target-parent-missing", params={"path": path, "parent": path.parent})
    staging = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with _told(path):
        try:
            _write_json(staging, content)
            os.replace(staging, path)
        finally:
            staging.unlink(missing_ok=True)
