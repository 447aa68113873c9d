"""A run's directory: all there is to know of a run, for its own process and for every other.

settings.json    what it was asked        state.json     where it stands, and how it came out
metrics.jsonl    one line per report      control        a word from another process: pause, continue, stop
eulerstack.yml   the spec                 model/         the compiled model that it begins from
checkpoints/     what it goes on from     best/, last/   the model, as from_pretrained loads it
"""

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from eulerstack.diagnostics import Diagnostic, EulerStackError, Reason, ValidationError, error, unexpected
from eulerstack.ir.print import SPEC_FILE
from eulerstack.training.loop.settings import Settings

try:
    import fcntl
except ImportError:  # not on Windows, where two processes in one directory are not kept apart
    fcntl = None  # type: ignore[assignment]

Status = Literal["preparing", "running", "paused", "stopped", "finished", "failed"]
Word = Literal["pause", "continue", "stop"]

ALIVE = ("preparing", "running", "paused")
"""What the state of a run says whose process is at work."""


GRACE = 60.0
"""Seconds that a process may take before it holds the directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Where a run stands.

    Losses in nats per token; `held_out`, `best` and `before` are cross-entropies of held-out text now, at its best and
    before training; `unigram` is the score of knowing only how frequent each token is. Memory in bytes.
    """

    status: Status = "preparing"
    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    loss: float | None = None
    tokens_per_second: float | None = None
    flops_per_second: float | None = None
    mfu: float | None = None
    peak_memory: int | None = None
    before: float | None = None
    unigram: float | None = None
    held_out: float | None = None
    bits_per_byte: float | None = None
    best: float | None = None
    best_step: int | None = None
    parameters: int | None = None
    data_key: str | None = None
    device: str | None = None
    precision: str | None = None
    processes: int = 1
    pid: int | None = None
    failures: tuple[dict[str, Any], ...] = ()
    updated: float = 0.0

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What went wrong."""
        return tuple(
            Diagnostic(**{**failure, "params": {name: _known(value) for name, value in failure["params"].items()}})
            for failure in self.failures
        )

    @property
    def learned(self) -> bool | None:
        """Whether the model predicts held-out text better than token frequencies alone; None before it is known."""
        return None if self.held_out is None or self.unigram is None else self.held_out < self.unigram


def kept(failure: Exception) -> tuple[dict[str, Any], ...]:
    """A failure as a directory keeps it, in no language yet; `State.diagnostics` reads it."""
    if not isinstance(failure, EulerStackError):
        return ({"code": "training-failed", "params": {"reason": _plain(unexpected(failure))}},)
    return tuple(
        {"code": d.code, "params": {name: _plain(value) for name, value in d.params.items()}, "fix": d.fix}
        for d in failure.diagnostics
    )


def _plain(value: object) -> object:
    if isinstance(value, Reason):
        return {"reason": value.key, "params": {name: _plain(param) for name, param in value.params.items()}}
    return value if isinstance(value, (int, float, str, type(None))) else str(value)


def _known(value: object) -> object:
    return Reason(value["reason"], value["params"]) if isinstance(value, dict) else value


class RunDirectory:
    """The files of a run. Everything is written aside and renamed, so that a reader never sees half of it."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoints"
        self.best, self.last, self.model = self.path / "best", self.path / "last", self.path / "model"
        self._settings, self._state = self.path / "settings.json", self.path / "state.json"
        self._metrics, self._control = self.path / "metrics.jsonl", self.path / "control"

    @property
    def exists(self) -> bool:
        """Whether a run was begun here."""
        return self._settings.is_file()

    def check(self) -> None:
        """Raise ValidationError where no run was begun."""
        if not self.exists:
            raise error("run-missing", params={"path": self.path})

    def begin(self, settings: Settings, spec: str) -> None:
        """Write down what a new run is asked, last of all."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_aside(self.path / SPEC_FILE, spec)
        self.write_state(State())
        write_aside(self._settings, settings.to_json())

    def settings(self) -> Settings:
        """What the run was asked."""
        return Settings.from_json(self._settings.read_text("utf-8"))

    def state(self) -> State:
        """Where the run stands. A run whose process is gone without a word is `stopped`."""
        values = json.loads(self._state.read_text("utf-8"))
        state = State(**{**values, "failures": tuple(values["failures"])})
        fresh = state.status == "preparing" and time.time() - state.updated < GRACE
        return state if fresh or state.status not in ALIVE or self.busy() else replace(state, status="stopped")

    def write_state(self, state: State) -> None:
        """Say where the run stands."""
        write_aside(self._state, json.dumps(asdict(replace(state, updated=time.time())), indent=2) + "\n")

    def metrics(self) -> list[dict[str, Any]]:
        """Every report so far, a line that is still being written left out."""
        try:
            lines = self._metrics.read_text("utf-8").split("\n")
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines[:-1]]

    def add_metrics(self, values: dict[str, Any]) -> None:
        """One more report."""
        with open(self._metrics, "a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")

    def forget_after(self, step: int) -> None:
        """Drop reports of steps that a run goes back behind."""
        kept = [values for values in self.metrics() if values["step"] <= step]
        write_aside(self._metrics, "".join(json.dumps(values) + "\n" for values in kept))

    def say(self, word: Word) -> None:
        """Tell the run's process something; it listens after each step."""
        write_aside(self._control, word)

    def hear(self) -> Word | None:
        """What another process said last."""
        try:
            word = self._control.read_text("utf-8")
        except FileNotFoundError:
            return None
        return word if word in ("pause", "continue", "stop") else None  # type: ignore[return-value]

    def hush(self) -> None:
        """Forget what was said."""
        self._control.unlink(missing_ok=True)

    def busy(self) -> bool:
        """Whether a process is at work here."""
        try:
            with self.working(patience=0):
                return False
        except ValidationError:
            return True

    @contextmanager
    def working(self, patience: int = 10) -> Iterator[None]:
        """Hold the directory as its one process. Raises ValidationError where another does.

        It is tried `patience` times more: who only looks whether anybody is at work holds it for a moment.
        """
        handle = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if fcntl is not None:
                self._lock(handle, patience)
            yield
        finally:
            os.close(handle)

    def _lock(self, handle: int, patience: int) -> None:
        for attempt in range(patience + 1):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError:
                if attempt < patience:
                    time.sleep(0.05)
        raise error("run-busy", params={"path": self.path})


@contextmanager
def new_run(path: Path, *, overwrite: bool) -> Iterator[RunDirectory]:
    """The directory of a run that is to begin, empty; removed again where beginning fails.

    With `overwrite` an older run in its place is removed. Raises EulerStackError where one may not be, or if something
    else is there.
    """
    run = RunDirectory(path)
    if run.exists:
        if not overwrite:
            raise error("run-exists", params={"path": path})
        with run.working():
            shutil.rmtree(path)
    elif path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise error("run-elsewhere", params={"path": path})
    try:
        path.mkdir(parents=True, exist_ok=True)
        yield run
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise


def write_aside(path: Path, text: str) -> None:
    """Replace a file's text at once."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(text, "utf-8")
    aside.replace(path)


def link_aside(files: list[Path], target: Path) -> None:
    """Make `target` a directory of these files (hard links where the file system has them), in the place of an older
    one.
    """
    aside, old = target.with_name(f".{target.name}.new"), target.with_name(f".{target.name}.old")
    for left in (aside, old):
        shutil.rmtree(left, ignore_errors=True)
    aside.mkdir()
    for file in files:
        try:
            os.link(file, aside / file.name)
        except OSError:
            shutil.copyfile(file, aside / file.name)
    with suppress(FileNotFoundError):
        target.rename(old)
    aside.rename(target)
    shutil.rmtree(old, ignore_errors=True)
