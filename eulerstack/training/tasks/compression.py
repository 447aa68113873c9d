"""Compression of MAD (Poli 2024, arXiv 2403.17844, section 3)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from eulerstack.training.tasks.task import IGNORED, Examples, Problem, Split, Task, loud, narrow, short


@dataclass(frozen=True, kw_only=True)
class Compression(Task):
    """Random tokens and a last one that gathers them: from its state alone a decoder names the token at each place.

    With `noise` some tokens come from `noise_tokens` of their own, and nobody asks for those.
    """

    vocab_size: int = 16
    length: int = 32
    noise_tokens: int = 0
    noise: float = 0.0

    from_last_state: ClassVar[bool] = True

    @property
    def chance(self) -> float:
        """One of the tokens that are compressed."""
        return 1 / self._clean

    @property
    def _clean(self) -> int:
        return self.vocab_size - 1 - self.noise_tokens

    def _problem(self) -> Problem | None:
        return (
            narrow(self.vocab_size, 3 + self.noise_tokens)
            or short(self.length, 2)
            or loud(self.noise, self.noise_tokens)
        )

    def _examples(self, rows: int, rng: np.random.Generator, split: Split) -> Examples:
        inputs = rng.integers(0, self._clean, (rows, self.length))
        noisy = rng.random(inputs.shape) < self.noise
        filler = rng.integers(self._clean, self._clean + max(1, self.noise_tokens), inputs.shape)
        inputs = np.where(noisy, filler, inputs)
        inputs[:, -1] = self.vocab_size - 1
        labels = np.where(noisy, IGNORED, inputs)
        labels[:, -1] = IGNORED
        return Examples(inputs, labels)
