"""Layer 4: an IR model becomes a runtime JSON or a HuggingFace model directory. No torch is loaded for it."""

import time
from dataclasses import dataclass
from pathlib import Path

from eulerstack.compiler.brought import Brought, fresh
from eulerstack.compiler.config import config_dict, spec_from_config
from eulerstack.compiler.directory import (
    Progress,
    Report,
    check_json_target,
    tensors_of,
    write_directory,
    write_json_file,
)
from eulerstack.compiler.runtime_json import runtime_config, runtime_json
from eulerstack.compiler.tokenizer import Mode
from eulerstack.compiler.weights import MAX_SHARD_SIZE, Tensor
from eulerstack.diagnostics import Diagnostic
from eulerstack.ir.nodes import Model

__all__ = [
    "Brought",
    "CompileResult",
    "Mode",
    "Progress",
    "Tensor",
    "check_json_target",
    "compile_model",
    "config_dict",
    "runtime_config",
    "runtime_json",
    "spec_from_config",
    "tensors_of",
    "write_json_file",
]


@dataclass(frozen=True, slots=True)
class CompileResult:
    """A finished model directory: its files, its size in parameters and bytes, the seconds it took, what to know."""

    path: Path
    files: tuple[str, ...]
    parameters: int
    bytes: int
    seconds: float
    warnings: tuple[Diagnostic, ...]


def compile_model(
    model: Model,
    target: str | Path,
    *,
    source_text: str | None = None,
    overwrite: bool = False,
    tokenizer: Mode = "auto",
    seed: int | None = None,
    brought: Brought | None = None,
    max_shard_size: int = MAX_SHARD_SIZE,
    progress: Report | None = None,
) -> CompileResult:
    """Write `model` as a directory that `AutoModelForCausalLM.from_pretrained(…, trust_remote_code=True)` loads.

    - source_text: the author's own spec, kept as eulerstack.source.yml.
    - seed: of the initial weights; unwritten, the spec's `training_hints.seed`, else 0.
    - brought: what an import gives in place of drawn weights and a tokenizer by name.

    Raises CompileError: a target that must not be written, a tokenizer that does not
    fit or is required and missing, a disk that is too small. Then nothing is left at `target` that was not there.
    """
    start = time.perf_counter()
    if seed is None:
        seed = model.training_hints.get("seed") or 0
    written = write_directory(
        model,
        target,
        brought or fresh(model, seed=seed, tokenizer=tokenizer),
        source_text=source_text,
        overwrite=overwrite,
        max_shard_size=max_shard_size,
        progress=progress,
    )
    return CompileResult(
        path=written.path,
        files=written.files,
        parameters=written.parameters,
        bytes=written.bytes,
        seconds=time.perf_counter() - start,
        warnings=written.warnings,
    )
