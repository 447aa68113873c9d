"""Memorisation of MAD (Poli 2024, arXiv 2403.17844, section 3)."""

from dataclasses import dataclass

import numpy as np

from eulerstack.training.tasks.task import IGNORED, Examples, Problem, Split, Task, narrow, odd, short


@dataclass(frozen=True, kw_only=True)
class Memorisation(Task):
    """Keys, each followed by a token that asks for its value; the values stand nowhere but in the training labels.

    One fixed map, from `map_seed`, gives every key a value of its own. The last token of the vocabulary asks; of the
    others the lower half are keys.
    """

    vocab_size: int = 256
    length: int = 32
    train: int = 256
    map_seed: int = 0

    @property
    def chance(self) -> float:
        """One of the values."""
        return 1 / (self.vocab_size - 1 - self._keys)

    @property
    def _keys(self) -> int:
        return (self.vocab_size - 1) // 2

    @property
    def value_of(self) -> np.ndarray:
        """The value of each key: [keys]."""
        values = np.random.default_rng(self.map_seed).permutation(np.arange(self._keys, self.vocab_size - 1))
        return values[: self._keys]

    def _problem(self) -> Problem | None:
        return narrow(self.vocab_size, 5) or short(self.length, 2) or odd(self.length)

    def _examples(self, rows: int, rng: np.random.Generator, split: Split) -> Examples:
        keys = rng.integers(0, self._keys, (rows, self.length // 2))
        inputs = np.full((rows, self.length), self.vocab_size - 1)
        inputs[:, ::2] = keys
        labels = np.full_like(inputs, IGNORED)
        labels[:, 1::2] = self.value_of[keys]
        return Examples(inputs, labels)
