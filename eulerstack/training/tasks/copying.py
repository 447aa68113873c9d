"""Selective copying of MAD (Poli 2024, arXiv 2403.17844, section 3; Gu 2023)."""

from dataclasses import dataclass

import numpy as np

from eulerstack.training.tasks.task import IGNORED, Examples, Problem, Split, Task, narrow, short


@dataclass(frozen=True, kw_only=True)
class SelectiveCopying(Task):
    """`copy` tokens at random places among blanks, a token that asks, and as many blanks to answer in their order.

    The last token of the vocabulary asks, the one before is the blank. Every choice of places is equally likely, so
    that the last token of the payload may stand anywhere (the public generator has it always beside the question).
    """

    vocab_size: int = 16
    length: int = 256
    copy: int = 16

    @property
    def chance(self) -> float:
        """One of the tokens that are copied."""
        return 1 / (self.vocab_size - 2)

    def _problem(self) -> Problem | None:
        return narrow(self.vocab_size, 4) or short(self.length, 2 * self.copy + 1)

    def _examples(self, rows: int, rng: np.random.Generator, split: Split) -> Examples:
        asks, blank = self.vocab_size - 1, self.vocab_size - 2
        context = self.length - self.copy - 1
        payload = rng.integers(0, blank, (rows, self.copy))
        places = np.sort(rng.random((rows, context)).argsort(axis=1)[:, : self.copy], axis=1)
        inputs = np.full((rows, self.length), blank)
        np.put_along_axis(inputs, places, payload, axis=1)
        inputs[:, context] = asks
        labels = np.full_like(inputs, IGNORED)
        labels[:, context + 1 :] = payload
        return Examples(inputs, labels)
