"""A run in this process: begun, or gone on with, from what stands in its directory.

`python -m eulerstack.training.loop.run RUN_DIR` is a run of its own, which outlives whoever began it.
"""

import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from eulerstack.diagnostics import EulerStackError, error
from eulerstack.ir.cost import flops
from eulerstack.ir.workload import Workload
from eulerstack.training.data import Endless, Rows, Store, open_source, prepare
from eulerstack.training.loaded import loaded
from eulerstack.training.loop.callback import WHOLE, Known, RunCallback
from eulerstack.training.loop.device import device_name, memory_of, peak_flops
from eulerstack.training.loop.diagnose import NotFinite
from eulerstack.training.loop.directory import RunDirectory, State, kept
from eulerstack.training.loop.held_out import HeldOut
from eulerstack.training.loop.memory import out_of_memory, spec_model
from eulerstack.training.loop.pace import Pace
from eulerstack.training.loop.routers import RouterWatch
from eulerstack.training.loop.settings import Settings, read_config
from eulerstack.training.loop.trainer import LoopTrainer, arguments_for

Report = Callable[[dict[str, Any]], None]


def run(
    path: str | Path,
    *,
    report: Report = lambda values: None,
    prepared: Callable[[int, int], None] = lambda done, total: None,
) -> State:
    """Train what stands in a run directory until it is finished or stopped, from its last whole checkpoint on.

    `report` hears every line of metrics, `prepared` how many bytes of text are tokenised. Under torchrun or accelerate
    every process calls it. Raises EulerStackError where the run cannot begin or go on; the directory says so too.
    """
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()  # of writing a checkpoint, in the midst of the run's own lines
    directory = RunDirectory(path)
    directory.check()
    first = int(os.environ.get("RANK", "0")) == 0
    with directory.working() if first else nullcontext():
        state = directory.state()
        if state.status == "finished":
            return state
        try:
            return _Run(directory, first, report, prepared).train()
        except Exception as failure:
            if first:
                directory.write_state(replace(directory.state(), status="failed", failures=kept(failure), pid=None))
            raise


class _Run:
    """What `run` holds in its hands; `first`: this is the process that writes."""

    def __init__(self, directory: RunDirectory, first: bool, report: Report, prepared: Callable[[int, int], None]):
        self.directory, self.first, self.report, self.prepared = directory, first, report, prepared
        self.settings = directory.settings()
        self.config = read_config(self.settings.model)
        self.spec = spec_model(Path(self.settings.model))
        self.checkpoint = _last_whole(directory.checkpoints, clean=first)

    def train(self) -> State:
        """From the checkpoint, if there is one, to the end, or until somebody stops it."""
        state = self._begin()
        trainer, callback = self._prepare(state)
        with _interruptible(callback):
            try:
                if self.checkpoint is None:  # what the model scores before it has learned anything
                    before = trainer.held_out.loss(trainer.trained, trainer.args.device)
                    callback.state = replace(callback.state, before=before)
                trainer.train(resume_from_checkpoint=str(self.checkpoint) if self.checkpoint else None)
            except NotFinite as found:
                raise _not_finite(found) from None
            except torch.OutOfMemoryError as failure:
                micro_batch = trainer.args.per_device_train_batch_size
                available = memory_of(trainer.args.device)
                raise out_of_memory(self.spec, self.settings, micro_batch, available) from failure
            finally:
                callback.watch.close()
        ended = callback.pace.ended(trainer.state.global_step)
        final = replace(callback.state, status="finished" if ended else "stopped", pid=None)
        if self.first:
            self.directory.hush()
            self.directory.write_state(final)
        return final

    def _begin(self) -> State:
        """The state to start from: the checkpoint's, and reports of steps after it are forgotten."""
        state = State()
        if self.checkpoint is not None:
            values = json.loads((self.checkpoint / WHOLE).read_text("utf-8"))
            state = State(**{**values, "failures": ()})
        state = replace(state, pid=os.getpid(), status="preparing")
        if self.first:
            self.directory.forget_after(state.step if self.checkpoint else -1)
            self.directory.write_state(state)
        return state

    def _prepare(self, state: State) -> tuple[LoopTrainer, RunCallback]:
        settings, hints = self.settings, self.config["training_hints"]
        count = int(os.environ.get("WORLD_SIZE", "1"))
        micro_batch = settings.micro_batch or max(1, settings.batch // count)
        if settings.batch % (count * micro_batch):
            params = {"batch": settings.batch, "processes": count, "micro_batch": micro_batch}
            raise error("batch-uneven", params=params)
        precision = _precision(settings, self.config.get("dtype", "float32"))
        arguments = arguments_for(
            settings,
            hints,
            str(self.directory.checkpoints),
            precision=precision,
            processes=count,
            micro_batch=micro_batch,
        )
        tokenizer = AutoTokenizer.from_pretrained(settings.tokenizer, trust_remote_code=True)
        with arguments.main_process_first():
            store = self._store(tokenizer)
        model = loaded(settings.model)
        held_out = HeldOut(store, settings.length, settings.held_out_rows, micro_batch)
        pace = Pace(settings, hints)
        pace.before = state.seconds
        state = replace(
            state,
            unigram=held_out.unigram,
            parameters=model.num_parameters(),
            data_key=store.key,
            device=device_name(arguments.device),
            precision=precision,
            processes=count,
        )
        known = Known(flops_per_token=self._flops_per_token(), peak_flops=peak_flops(arguments.device, precision))
        callback = RunCallback(self.directory, settings, state, pace, RouterWatch(model), known, self.report)
        callback.first, callback.device = self.first, arguments.device
        rows = Endless(Rows(store.train, settings.length), settings.steps * settings.batch, settings.seed)
        trainer = LoopTrainer(
            model,
            arguments,
            rows,
            settings=settings,
            held_out=held_out,
            pace=pace,
            callback=callback,
            processing_class=tokenizer,
        )
        return trainer, callback

    def _store(self, tokenizer: PreTrainedTokenizerBase) -> Store:
        source = open_source(self.settings.data, self.settings.text_column)
        add_eos = self.config["v1_extensions"]["tokenizer_contract"]["add_eos"]
        store = prepare(source, tokenizer, add_eos=add_eos, report=self.prepared)
        store.check_vocabulary(self.config["vocab_size"])
        store.check_length(self.settings.length)
        return store

    def _flops_per_token(self) -> float:
        settings = self.settings
        load = Workload.of(self.spec, batch=1, seq=settings.length, checkpointing=settings.checkpointing)
        return float(flops(self.spec, load).kernels.training)


def _precision(settings: Settings, dtype: str) -> str:
    """What matrices are multiplied in: on a device what the spec is written in, on a CPU fp32."""
    if settings.precision != "auto":
        return settings.precision
    if not torch.cuda.is_available():
        return "fp32"
    return {"bfloat16": "bf16", "float16": "fp16"}.get(dtype, "fp32")


def _last_whole(folder: Path, *, clean: bool) -> Path | None:
    """The newest checkpoint that was written to its end; with `clean` the halves of others are removed."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    whole = [path for path in found if (path / WHOLE).is_file()]
    if clean:
        for path in found:
            if path not in whole:
                shutil.rmtree(path)
    return whole[-1] if whole else None


def _not_finite(found: NotFinite) -> EulerStackError:
    fix = {"parameters": "fix_parameters", "gradient": "fix_gradient"}.get(found.kind, "fix")
    return error("loss-not-finite", params={"step": found.step, "place": found.place}, fix=fix)


@contextmanager
def _interruptible(callback: RunCallback) -> Iterator[None]:
    """The first interruption stops the run after its step, with a checkpoint; the second does what it always does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, frame: object) -> None:
        callback.interrupted = True
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main(argv: Sequence[str]) -> int:
    """A run of its own; what goes wrong stands in the directory."""
    with suppress(EulerStackError):
        run(argv[0])
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
