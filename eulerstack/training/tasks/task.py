"""What every synthetic task is: rows of tokens made from a seed, what is asked of them, and what guessing scores."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from eulerstack import i18n

IGNORED = -100
"""The label where nothing is asked, which torch's cross-entropy leaves out."""

Split = Literal["train", "test"]
_STREAMS: dict[Split, int] = {"train": 0, "test": 1}


@dataclass(frozen=True, slots=True)
class Examples:
    """`inputs` and `labels`, both int64 [rows, length]. `labels[b, t]` is what the output at t is to be: it is not
    shifted, and IGNORED where nothing is asked.
    """

    inputs: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.inputs)


Problem = tuple[Literal["short", "odd", "vocabulary", "noise"], dict[str, float]]
"""What is wrong with settings: the name of a text, and its numbers."""


class ImpossibleTask(ValueError):  # noqa: N818 (it says what is wrong with the settings)
    """Settings that make no task; told in the current language."""

    def __init__(self, problem: Problem):
        key, numbers = problem
        super().__init__(i18n.text("ablation", f"problem.{key}", **numbers))


def short(length: int, least: int) -> Problem | None:
    """The problem of a length below `least`."""
    return ("short", {"length": length, "least": least}) if length < least else None


def odd(length: int) -> Problem | None:
    """The problem of a length that does not divide into pairs."""
    return ("odd", {"length": length}) if length % 2 else None


def narrow(vocab_size: int, least: int) -> Problem | None:
    """The problem of a vocabulary below `least`."""
    return ("vocabulary", {"vocab_size": vocab_size, "least": least}) if vocab_size < least else None


def loud(noise: float, noise_tokens: int) -> Problem | None:
    """The problem of a share of noise that is none, or has no tokens."""
    return None if 0 <= noise < 1 and (not noise or noise_tokens > 0) else ("noise", {"noise": noise})


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """A task with its settings. `train` and `test` are how many rows the publication uses."""

    vocab_size: int
    length: int
    train: int = 12_800
    test: int = 1_280

    scored_by: ClassVar[Literal["accuracy", "loss"]] = "accuracy"
    from_last_state: ClassVar[bool] = False
    """Whether all labels are to be read from the state at the last token, by a decoder of its own."""

    def __post_init__(self) -> None:
        if problem := self._problem():
            raise ImpossibleTask(problem)

    @property
    @abstractmethod
    def chance(self) -> float:
        """The score of who knows which tokens can be answers, and no more."""

    def examples(self, rows: int, seed: int, split: Split) -> Examples:
        """`rows` rows; the same ones for the same arguments. Training and test rows come from separate streams."""
        return self._examples(rows, np.random.default_rng([seed, _STREAMS[split]]), split)

    @abstractmethod
    def _examples(self, rows: int, rng: np.random.Generator, split: Split) -> Examples: ...

    @abstractmethod
    def _problem(self) -> Problem | None:
        """Why there is no task with these settings, None where there is one."""


def accuracy(predicted: np.ndarray, labels: np.ndarray) -> float:
    """The share of what is asked that is right; `predicted` and `labels` are [rows, length]."""
    asked = labels != IGNORED
    return float((predicted[asked] == labels[asked]).mean())


def next_tokens(tokens: np.ndarray) -> np.ndarray:
    """Labels that ask for the next token everywhere; nothing follows the last one."""
    labels = np.full_like(tokens, IGNORED)
    labels[:, :-1] = tokens[:, 1:]
    return labels


def distinct(rng: np.random.Generator, rows: int, options: int, count: int) -> np.ndarray:
    """In every row `count` distinct numbers below `options` in random order, all such rows equally likely.

    Floyd's sampling (Bentley 1987), all rows at once: memory does not depend on `options`.
    """
    chosen = np.empty((rows, count), np.int64)
    for index, top in enumerate(range(options - count, options)):
        drawn = rng.integers(0, top + 1, rows)
        taken = (chosen[:, :index] == drawn[:, None]).any(axis=1)
        chosen[:, index] = np.where(taken, top, drawn)
    return rng.permuted(chosen, axis=1)
