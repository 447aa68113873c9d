"""A run as its directory tells it: where it stands, how it came out, and the words that steer it."""

import math
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

from eulerstack import i18n
from eulerstack.results.loss_curve import loss_svg
from eulerstack.results.shown import html_table, short, size
from eulerstack.results.table import Tabled, bold, facts_lines
from eulerstack.training.loop.directory import ALIVE, RunDirectory, State
from eulerstack.training.loop.settings import ENDLESS, Settings

POLL = 0.2
"""Seconds between two looks at a run's directory."""


class TrainingRun(Tabled):
    """A run that is over, or goes on in another process. It reads its directory whenever it is asked."""

    def __init__(self, path: str | Path):
        self.directory = RunDirectory(path)
        self.directory.check()

    @property
    def path(self) -> Path:
        """The run directory."""
        return self.directory.path

    @cached_property
    def settings(self) -> Settings:
        """What the run was asked."""
        return self.directory.settings()

    @property
    def state(self) -> State:
        """Where it stands now."""
        return self.directory.state()

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """Every report so far."""
        return self.directory.metrics()

    @property
    def alive(self) -> bool:
        """Whether a process is at work on it."""
        return self.state.status in ALIVE

    def pause(self) -> None:
        """Let it wait after its step, its memory held."""
        self.directory.say("pause")

    def go_on(self) -> None:
        """End a pause."""
        self.directory.say("continue")

    def stop(self) -> None:
        """Let it write a checkpoint after its step and end; `eulerstack.train(resume=…)` goes on with it."""
        self.directory.say("stop")

    def wait(self, report: Callable[[dict[str, Any]], None] = lambda values: None, *, poll: float = POLL) -> State:
        """Until its process has ended; `report` hears every line of metrics that is new since the call."""
        heard = len(self.metrics)
        while True:
            alive = self.alive
            lines = self.metrics
            for line in lines[heard:]:
                report(line)
            heard = len(lines)
            if not alive:
                return self.state
            time.sleep(poll)

    def facts(self) -> list[tuple[str, str]]:
        """A label and what it says, what is not known yet left out."""
        state, settings = self.state, self.settings
        losses = {"loss": state.loss, "before": state.before, "unigram": state.unigram}
        rows: dict[str, str | None] = {
            "status": _text(f"status.{state.status}"),
            "directory": str(self.path),
            "data": settings.data,
            "parameters": f"{short(state.parameters)} ({state.parameters:,})" if state.parameters else None,
            "device": _device(state) if state.device else None,
            "steps": _steps(state, settings),
            "tokens": f"{state.tokens:,}",
            "speed": _speed(state) if state.tokens_per_second else None,
            "memory": size(state.peak_memory) if state.peak_memory else None,
            **{key: None if loss is None else nats(loss) for key, loss in losses.items()},
            "held-out": None if state.held_out is None else _held_out(state, state.held_out),
            "best": None if state.best is None else _text("best-at", nats=nats(state.best), step=state.best_step),
        }
        return [(_text(f"row.{key}"), told) for key, told in rows.items() if told is not None]

    def verdict(self) -> str:
        """Whether the model learned, in a sentence; empty before held-out text was read, what went wrong if it did."""
        state = self.state
        if state.failures:
            return "\n".join(str(diagnostic) for diagnostic in state.diagnostics)
        if state.learned is None:
            return ""
        return _text("learned" if state.learned else "not-learned")

    def routers(self) -> list[tuple[str, str, str]]:
        """For each router, by its last report: its name, its busiest expert's load over the mean, a token's entropy."""
        lines = [line for line in self.metrics if "routers" in line]
        last: dict[str, Any] = lines[-1]["routers"] if lines else {}
        return [
            (name, f"{max(said['load']) * len(said['load']):.2f}", f"{said['entropy']:.3f}")
            for name, said in last.items()
        ]

    def lines(self, width: int, *, color: bool) -> list[str]:
        """The facts, the routers and the verdict."""
        lines = facts_lines(self.path.name, self.facts(), width, color=color)
        if routers := self.routers():
            lines.append(f"{_text('row.routers')}  ({_text('routers-head')})")
            lines += [f"  {name}  {load}  {entropy}" for name, load, entropy in routers]
        if verdict := self.verdict():
            lines += ["", *(bold(line, color) for line in verdict.splitlines())]
        return lines

    def html(self) -> str:
        """The curve, the facts, the routers and the verdict."""
        parts = [loss_svg(self.metrics, self.state.unigram, curve_words()), html_table([], self.facts())]
        if routers := self.routers():
            head = (_text("row.routers"), *_text("routers-head").split(" · "))
            parts.append(html_table(head, routers, numbers=(1, 2)))
        parts += [f"<p><b>{escape(line)}</b></p>" for line in self.verdict().splitlines()]
        return f"<div>{''.join(parts)}</div>"

    def to_dict(self) -> dict[str, Any]:
        """Settings, state and the last report."""
        metrics = self.metrics
        return {
            "settings": asdict(self.settings),
            "state": {**asdict(self.state), "learned": self.state.learned},
            "last": metrics[-1] if metrics else None,
        }


def curve_words() -> dict[str, str]:
    """What stands in a picture of losses."""
    return {key: _text(f"curve.{key}") for key in ("train", "held_out", "unigram", "step")}


def _device(state: State) -> str:
    told = f"{state.device} · {state.precision}"
    return told if state.processes == 1 else f"{told} · ×{state.processes}"


def _steps(state: State, settings: Settings) -> str:
    if settings.steps >= ENDLESS and settings.seconds:
        return f"{state.step:,} · {state.seconds:.0f} / {settings.seconds:.0f} s"
    return f"{state.step:,} / {settings.steps:,} · {state.seconds:.1f} s"


def _speed(state: State) -> str:
    told = f"{state.tokens_per_second:,.0f} {_text('tokens-per-second')}"
    if state.flops_per_second:
        told += f" · {short(round(state.flops_per_second))}FLOP/s"
    return told if state.mfu is None else f"{told} · MFU {state.mfu:.1%}"


def _held_out(state: State, loss: float) -> str:
    return f"{nats(loss)} · {_text('bits-per-byte', bits=f'{state.bits_per_byte:.3f}')}"


def nats(loss: float) -> str:
    """A loss per token in nats and in bits."""
    return i18n.text("training", "demo.nats", nats=f"{loss:.3f}", bits=f"{loss / math.log(2):.2f}")


def _text(key: str, **params: object) -> str:
    return i18n.text("training", f"run.{key}", **params)
