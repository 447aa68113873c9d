"""What a run is asked to do, as it stands in its directory: every number resolved, nothing left to a later default."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from eulerstack.diagnostics import error

Precision = Literal["auto", "fp32", "bf16", "fp16"]

CONFIG = "config.json"
MODEL_TYPE = "eulerstack"
TOKENIZERS = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model")
LENGTH = 256
"""Tokens of a row where nothing is said, or the model's longest sequence where that is shorter."""
BATCH = 8
STEPS = 500
"""How long a run is where nothing is said."""
ENDLESS = 10_000_000
"""More steps than anyone waits for: what a run that ends by the clock may take."""
REPORTS = 10
"""How often in a run held-out text is read and a checkpoint is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How long to train: one of them, or none for the default."""

    steps: int | None = None
    tokens: int | None = None
    minutes: float | None = None

    def check(self) -> None:
        """Raise ValidationError where more than one says it."""
        named = [f"--{name}" for name, value in asdict(self).items() if value is not None]
        if len(named) > 1:
            raise error("several-budgets", params={"first": named[0], "second": named[1]})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A run. `model` and `tokenizer` are directories; `lr` is the peak learning rate (at μP's base width).

    A step takes `batch` rows of `length` tokens, over all processes; each process takes `micro_batch` of them at a time
    (None: all of its own). The run ends after `steps`, or `seconds` of training where that is given. Held-out text,
    `held_out_rows` of it, is read and a checkpoint written every `report_every` steps, under `seconds` by the clock.
    """

    model: str
    tokenizer: str
    data: str
    text_column: str | None
    steps: int
    seconds: float | None
    batch: int
    micro_batch: int | None
    length: int
    lr: float
    seed: int
    precision: Precision
    checkpointing: bool
    report_every: int
    log_every: int
    held_out_rows: int

    def to_json(self) -> str:
        """As it stands in the run directory."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Settings":
        """What `to_json` wrote."""
        return cls(**json.loads(text))


def read_config(model: str | Path) -> dict[str, Any]:
    """The config of a compiled directory. Raises ValidationError where it is none."""
    path = Path(model) / CONFIG
    try:
        config = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        config = None
    if not isinstance(config, dict) or config.get("model_type") != MODEL_TYPE:
        raise error("model-foreign", params={"path": model})
    return config


def settings_for(
    model: str | Path,
    budget: Budget,
    *,
    data: str,
    text_column: str | None = None,
    tokenizer: str | None = None,
    batch: int | None = None,
    micro_batch: int | None = None,
    length: int | None = None,
    lr: float | None = None,
    lr_factor: float = 1.0,
    seed: int | None = None,
    precision: Precision = "auto",
    checkpointing: bool | None = None,
    log_every: int = 1,
    held_out_rows: int = 64,
) -> Settings:
    """The settings of a run on a compiled directory: what is given, else `training_hints`, else the defaults.

    `lr_factor` multiplies the hints' learning rate. Raises ValidationError for settings that the model cannot follow.
    """
    config = read_config(model)
    hints, longest = config["training_hints"], config["max_position_embeddings"]
    length, batch = length or min(LENGTH, longest), batch or BATCH
    if length > longest:
        raise error("rows-too-long", params={"length": length, "longest": longest})
    words = Path(tokenizer or model)
    if tokenizer is None and not any((words / name).is_file() for name in TOKENIZERS):
        raise error("tokenizer-missing", params={"path": model})
    steps = _steps(budget, batch * length)
    return Settings(
        model=str(Path(model).resolve()),
        tokenizer=str(words.resolve() if words.exists() else words),
        data=str(Path(data).resolve()) if Path(data).exists() else data,
        text_column=text_column,
        steps=steps,
        seconds=None if budget.minutes is None else budget.minutes * 60,
        batch=batch,
        micro_batch=micro_batch,
        length=length,
        lr=lr or hints["lr_peak"] * lr_factor,
        seed=hints["seed"] if seed is None else seed,
        precision=precision,
        checkpointing=hints["checkpointing"] if checkpointing is None else checkpointing,
        report_every=max(1, steps // REPORTS),
        log_every=log_every,
        held_out_rows=held_out_rows,
    )


def _steps(budget: Budget, tokens_per_step: int) -> int:
    budget.check()
    if budget.minutes is not None:
        return ENDLESS
    if budget.tokens is not None:
        return math.ceil(budget.tokens / tokens_per_step)
    return budget.steps or STEPS
