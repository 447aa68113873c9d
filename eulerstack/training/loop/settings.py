"""What a run is asked to do, as it stands in its directory: every number resolved, nothing left to a later default."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from eulerstack.diagnostics import error
from eulerstack.training.corpus import STANDARD_LIBRARY

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
HELD_OUT_ROWS = 64
REPORTS = 10
"""How often in a run held-out text is read and a checkpoint is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a user may ask of a run; None: what `training_hints` or the defaults say.

    One of `steps`, `tokens` and `minutes` says how long it is. `data` and `text_column`: see `data/sources.py`;
    `tokenizer`: a directory with another tokenizer than the model's own. The rest as in `Settings`.
    """

    steps: int | None = None
    tokens: int | None = None
    minutes: float | None = None
    data: str = STANDARD_LIBRARY
    text_column: str | None = None
    tokenizer: str | None = None
    batch: int | None = None
    micro_batch: int | None = None
    length: int | None = None
    lr: float | None = None
    seed: int | None = None
    precision: Precision = "auto"
    checkpointing: bool | None = None

    def check(self) -> None:
        """Raise ValidationError where more than one says how long to train."""
        named = [f"--{name}" for name in ("steps", "tokens", "minutes") if getattr(self, name) is not None]
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


def settings_for(model: str | Path, options: Options, *, lr_factor: float = 1.0) -> Settings:
    """The settings of a run on a compiled directory: what is asked, else `training_hints`, else the defaults.

    `lr_factor` multiplies the hints' learning rate. Raises ValidationError for what the model cannot follow.
    """
    config = read_config(model)
    hints, longest = config["training_hints"], config["max_position_embeddings"]
    length, batch = options.length or min(LENGTH, longest), options.batch or BATCH
    if length > longest:
        raise error("rows-too-long", params={"length": length, "longest": longest})
    words = Path(options.tokenizer or model)
    if options.tokenizer is None and not any((words / name).is_file() for name in TOKENIZERS):
        raise error("tokenizer-missing", params={"path": model})
    steps = _steps(options, batch * length)
    return Settings(
        model=str(Path(model).resolve()),
        tokenizer=str(words.resolve() if words.exists() else words),
        data=str(Path(options.data).resolve()) if Path(options.data).exists() else options.data,
        text_column=options.text_column,
        steps=steps,
        seconds=None if options.minutes is None else options.minutes * 60,
        batch=batch,
        micro_batch=options.micro_batch,
        length=length,
        lr=options.lr or hints["lr_peak"] * lr_factor,
        seed=hints["seed"] if options.seed is None else options.seed,
        precision=options.precision,
        checkpointing=hints["checkpointing"] if options.checkpointing is None else options.checkpointing,
        report_every=max(1, steps // REPORTS),
        log_every=1,
        held_out_rows=HELD_OUT_ROWS,
    )


def _steps(options: Options, tokens_per_step: int) -> int:
    options.check()
    if options.minutes is not None:
        return ENDLESS
    if options.tokens is not None:
        return math.ceil(options.tokens / tokens_per_step)
    return options.steps or STEPS
