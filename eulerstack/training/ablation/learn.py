"""One run: a compiled model, taken as anyone would take it, learns a task with AdamW in a plain torch loop."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from transformers import PreTrainedModel

from eulerstack.diagnostics import Reason
from eulerstack.ir.nodes import Model
from eulerstack.training.ablation.record import Score
from eulerstack.training.loaded import built
from eulerstack.training.loop.pace import warmed_cosine
from eulerstack.training.tasks import IGNORED, Examples, Task

WARMUP = 0.05
"""The share of the steps over which the learning rate rises; then it falls along a cosine to nothing."""

GRAD_CLIP = 1.0
EVALUATIONS = 10
ORDERS = 2
"""The stream of random numbers that rows are shuffled with; 0 and 1 make the rows."""

Report = Callable[[int, int, float], None]
"""Hears the step, of how many, and the training loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a run trains."""

    steps: int
    batch: int
    weight_decay: float
    stop_above: float | None


class Decoder(nn.Module):
    """Names the token at each place from the state at the last one (MAD's compression task, Poli 2024).

    h_t = s + p_t with sinusoidal p (Vaswani 2017), then twice norm, linear, GELU, all of the state's width D, then norm
    and a linear readout. Parameters: 2·(D² + D) + D·V + V + 3·D.
    """

    def __init__(self, width: int, vocab_size: int, length: int):
        super().__init__()
        half = torch.arange(0, width, 2) / width
        angles = torch.arange(length)[:, None] / 10_000**half
        self.places: torch.Tensor
        self.register_buffer("places", torch.cat([angles.sin(), angles.cos()], dim=1)[:, :width])
        block = [nn.RMSNorm(width), nn.Linear(width, width), nn.GELU()]
        again = [nn.RMSNorm(width), nn.Linear(width, width), nn.GELU()]
        self.layers = nn.Sequential(*block, *again, nn.RMSNorm(width), nn.Linear(width, vocab_size))

    def forward(self, state: torch.Tensor) -> torch.Tensor:
        """[B, D] → logits [B, T, V]."""
        return self.layers(state[:, None] + self.places)


class Learner:
    """A model and how a task's answers are read from it."""

    def __init__(self, model: PreTrainedModel, task: Task):
        self.model: Any = model
        self.decoder: Decoder | None = None
        if task.from_last_state:
            width = self.model.get_output_embeddings().weight.shape[1]
            self.decoder = Decoder(width, task.vocab_size, task.length).to(model.device)

    def logits(self, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Of what is asked alone, in the order of the places: [asked, V]."""
        states = self.model.model(input_ids=inputs, use_cache=False).last_hidden_state
        return self._read(states, labels)

    def loss(self, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The mean cross-entropy of what is asked; a model with losses of its own adds them as in any trainer."""
        outputs = self.model.model(input_ids=inputs, use_cache=False)
        own = any(getattr(outputs, name, None) for name in ("routings", "layer_losses", "tallies", "readouts"))
        if self.decoder is None and (own or self.model.config.head["mtp"]):
            return self.model(**shifted(inputs, labels), use_cache=False).loss
        return F.cross_entropy(self._read(outputs.last_hidden_state, labels).float(), labels[labels != IGNORED])

    def _read(self, states: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        asked = labels != IGNORED
        if self.decoder is not None:
            return self.decoder(states[:, -1])[asked]
        return self.model.read_out(states[asked])

    def parameter_groups(self, lr: float, weight_decay: float) -> list[dict[str, Any]]:
        """The model's own groups, and the decoder's weights."""
        groups = self.model.optimizer_param_groups(lr, weight_decay)
        if self.decoder is not None:
            groups.append({"params": list(self.decoder.parameters()), "lr": lr, "weight_decay": weight_decay})
        return groups

    def train(self, mode: bool = True) -> None:
        """Training or evaluation."""
        self.model.train(mode)


def shifted(inputs: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
    """Inputs and labels as a causal model of transformers takes them: the label of a place stands one place later.

    Where the last place is asked for, one token more makes room.
    """
    moved = F.pad(labels, (1, 0), value=IGNORED)
    if (labels[:, -1] != IGNORED).any():
        return {"input_ids": F.pad(inputs, (0, 1)), "labels": moved}
    return {"input_ids": inputs, "labels": moved[:, :-1]}


def learn(
    model: Model,
    task: Task,
    plan: Plan,
    *,
    lr: float,
    seed: int,
    device: str | None = None,
    report: Report = lambda step, total, loss: None,
) -> Score:
    """Compile the model, train it on a task and score it on rows that it never saw.

    `lr` is the peak rate at the base width. The same arguments give the same score at a fixed number of threads.
    Raises RuntimeError where the device's memory does not suffice or the loss is not finite.
    """
    torch.manual_seed(seed)
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    compiled: Any = built(model, seed)
    learner = Learner(compiled.to(place), task)
    hints = learner.model.config.training_hints
    groups = learner.parameter_groups(lr, plan.weight_decay)
    optimizer = torch.optim.AdamW(groups, betas=tuple(hints["betas"]))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, plan.steps))
    train, test = task.examples(task.train, seed, "train"), task.examples(task.test, 0, "test")
    if place.type == "cuda":
        torch.cuda.reset_peak_memory_stats(place)
    curve: list[tuple[int, float, float]] = []
    every = max(1, plan.steps // EVALUATIONS)
    seconds, loss = 0.0, math.nan
    for step, rows in enumerate(orders(len(train), plan, seed), start=1):
        started = time.perf_counter()
        loss = _step(learner, _batch(train, rows, place), optimizer, schedule)
        seconds += time.perf_counter() - started
        report(step, plan.steps, loss)
        if not math.isfinite(loss):
            raise RuntimeError(Reason("loss-not-finite", {"step": step}))
        if step % every == 0 or step == plan.steps:
            curve.append((step, loss, evaluate(learner, task, test, plan.batch)))
            if plan.stop_above and task.scored_by == "accuracy" and curve[-1][2] > plan.stop_above:
                break
    return Score(
        score=curve[-1][2],
        loss=loss,
        steps=curve[-1][0],
        tokens=curve[-1][0] * plan.batch * task.length,
        seconds=seconds,
        memory=torch.cuda.max_memory_allocated(place) if place.type == "cuda" else None,
        curve=tuple(curve),
    )


def _step(learner: Learner, batch: tuple[torch.Tensor, torch.Tensor], optimizer: Any, schedule: Any) -> float:
    learner.train()
    loss = learner.loss(*batch)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    nn.utils.clip_grad_norm_(parameters, GRAD_CLIP)
    optimizer.step()
    schedule.step()
    return float(loss.detach())


@torch.no_grad()
def evaluate(learner: Learner, task: Task, test: Examples, batch: int) -> float:
    """The accuracy over all that a test asks, or the mean cross-entropy in nats."""
    learner.train(False)
    total, asked = 0.0, 0
    for rows in np.array_split(np.arange(len(test)), math.ceil(len(test) / batch)):
        inputs, labels = _batch(test, rows, learner.model.device)
        logits, answers = learner.logits(inputs, labels), labels[labels != IGNORED]
        if task.scored_by == "accuracy":
            total += float((logits.argmax(dim=-1) == answers).sum())
        else:
            total += float(F.cross_entropy(logits.float(), answers, reduction="sum"))
        asked += len(answers)
    return total / asked


def rate(step: int, steps: int) -> float:
    """The learning rate's factor before step `step` from 0: a line up, then a cosine down to nothing."""
    return warmed_cosine(step / steps, first=1 / steps, warmup=WARMUP, floor=0.0)


def orders(rows: int, plan: Plan, seed: int) -> Iterator[np.ndarray]:
    """The rows of each step: every epoch all of them in an order of its own, what is left of a batch dropped."""
    batch = min(plan.batch, rows)
    given = epoch = 0
    while given < plan.steps:
        order = np.random.default_rng([seed, ORDERS, epoch]).permutation(rows)
        for start in range(0, rows - batch + 1, batch):
            if given == plan.steps:
                return
            yield order[start : start + batch]
            given += 1
        epoch += 1


def _batch(examples: Examples, rows: np.ndarray, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(examples.inputs[rows]).to(device), torch.from_numpy(examples.labels[rows]).to(device)
