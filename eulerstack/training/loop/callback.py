"""What a run does around its steps: reports, checkpoints that are whole, and words from other processes."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import distributed
from transformers import TrainerCallback

from eulerstack.training.loop.device import peak_memory
from eulerstack.training.loop.directory import RunDirectory, State, Word, link_aside, write_aside
from eulerstack.training.loop.pace import Pace
from eulerstack.training.loop.routers import RouterWatch
from eulerstack.training.loop.settings import Settings

WHOLE = "run.json"
"""Written into a checkpoint when all else is: where the run stood. A checkpoint without it does not count."""

LISTEN = 0.2
"""Seconds between two looks at the control file during a pause."""

WORDS: tuple[Word | None, ...] = (None, "continue", "pause", "stop")
TRAINING_STATE = ("optimizer", "scheduler", "scaler", "rng_state", "trainer_state", "training_args", WHOLE)
"""How the names of a checkpoint's files begin that are not the model's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a run before its first step, and does not change."""

    flops_per_token: float
    peak_flops: float | None


class RunCallback(TrainerCallback):
    """Writes the run directory (in the first process), and does what is said there (in all)."""

    def __init__(
        self,
        run: RunDirectory,
        settings: Settings,
        state: State,
        pace: Pace,
        watch: RouterWatch,
        known: Known,
        report: Callable[[dict[str, Any]], None],
    ):
        self.run, self.settings, self.state, self.pace = run, settings, state, pace
        self.watch, self.known, self.report = watch, known, report
        self.first, self.device = True, torch.device("cpu")
        self.interrupted = False
        self.is_best = False
        self._told = 0.0
        self._mark = (0, 0.0)

    def on_train_begin(self, args: Any, state: Any, control: Any, **keys: Any) -> None:
        """The clock starts: loading and tokenising do not count."""
        self.first, self.device = state.is_world_process_zero, args.device
        self._mark = (state.global_step, self.pace.seconds)
        self._tell(status="running", step=state.global_step)

    def on_step_begin(self, args: Any, state: Any, control: Any, **keys: Any) -> None:
        """The clock runs again after a report."""
        self.pace.go()

    def on_step_end(self, args: Any, state: Any, control: Any, **keys: Any) -> None:
        """Is a report due, is the run over, has somebody said something?"""
        step = state.global_step
        word = self._hear()
        if word == "pause":
            word = self._wait(step)
        over = self._agreed(self.pace.ended(step))
        if word == "stop" or over:
            control.should_training_stop = True
        if self._agreed(self.pace.due(step)) or control.should_training_stop:
            control.should_evaluate = control.should_save = True
            self.pace.halt()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **keys: Any) -> None:
        """One report of training."""
        if not logs or "loss" not in logs:  # Trainer's summary at the end
            return
        step, seconds = state.global_step, self.pace.seconds
        tokens = step * self.settings.batch * self.settings.length
        last, then = self._mark
        rate = (step - last) * self.settings.batch * self.settings.length / max(seconds - then, 1e-9)
        self._mark = (step, seconds)
        flops = rate * self.known.flops_per_token
        mfu = None if self.known.peak_flops is None else flops / (self.known.peak_flops * args.world_size)
        values = {
            "step": step,
            "tokens": tokens,
            "seconds": round(seconds, 3),
            "loss": logs["loss"],
            "lr": logs["learning_rate"],
            "grad_norm": logs.get("grad_norm"),
            "tokens_per_second": round(rate, 1),
            **self.watch.report(),
        }
        self.state = replace(
            self.state,
            step=step,
            tokens=tokens,
            seconds=seconds,
            loss=logs["loss"],
            tokens_per_second=rate,
            flops_per_second=flops,
            mfu=mfu,
            peak_memory=peak_memory(self.device),
        )
        self._metrics(values)
        if time.monotonic() - self._told > 0.5:
            self._tell()

    def on_evaluate(self, args: Any, state: Any, control: Any, **keys: Any) -> None:
        """One report on held-out text."""
        loss, bits = keys["metrics"]["eval_loss"], keys["metrics"]["eval_bits_per_byte"]
        self.is_best = self.state.best is None or loss < self.state.best
        self.state = replace(self.state, held_out=loss, bits_per_byte=bits, step=state.global_step)
        if self.is_best:
            self.state = replace(self.state, best=loss, best_step=state.global_step)
        self._metrics({"step": state.global_step, "held_out": loss, "bits_per_byte": bits})
        self._tell()

    def on_save(self, args: Any, state: Any, control: Any, **keys: Any) -> None:
        """The checkpoint is whole: say so in it, and let `best` and `last` be the model in it."""
        if not self.first:
            return
        checkpoint = self.run.checkpoints / f"checkpoint-{state.global_step}"
        self.state = replace(self.state, seconds=self.pace.seconds)
        write_aside(checkpoint / WHOLE, json.dumps(asdict(self.state)))
        files = [p for p in checkpoint.iterdir() if p.is_file() and not p.name.startswith(TRAINING_STATE)]
        names = {file.name for file in files}
        model = Path(self.settings.model)
        files += [p for p in model.iterdir() if p.suffix in (".yml", ".svg", ".md") and p.name not in names]
        link_aside(files, self.run.last)
        if self.is_best:
            link_aside(files, self.run.best)

    def _hear(self) -> Word | None:
        word: Word | None = "stop" if self.interrupted else self.run.hear() if self.first else None
        if not (distributed.is_available() and distributed.is_initialized()):
            return word
        said = torch.tensor(WORDS.index(word), device=self.device)
        distributed.all_reduce(said, op=distributed.ReduceOp.MAX)
        return WORDS[int(said)]

    def _wait(self, step: int) -> Word | None:
        self.pace.halt()
        self._tell(status="paused", step=step)
        word: Word | None = "pause"
        while word == "pause":
            time.sleep(LISTEN)
            word = self._hear()
        self.pace.go()
        self._tell(status="running")
        return word

    def _agreed(self, mine: bool) -> bool:
        """What the first process thinks, whose clock counts."""
        if not (distributed.is_available() and distributed.is_initialized()):
            return mine
        flag = torch.tensor(int(mine and self.first), device=self.device)
        distributed.all_reduce(flag, op=distributed.ReduceOp.MAX)
        return bool(flag)

    def _metrics(self, values: dict[str, Any]) -> None:
        if self.first:
            self.run.add_metrics(values)
            self.report(values)

    def _tell(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)
        if self.first:
            self._told = time.monotonic()
            self.run.write_state(self.state)
