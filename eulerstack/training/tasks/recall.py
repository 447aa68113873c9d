"""In-context and noisy recall of MAD (Poli 2024, arXiv 2403.17844, section 3)."""

from dataclasses import dataclass

import numpy as np

from eulerstack.training.tasks.task import (
    IGNORED,
    Examples,
    Problem,
    Split,
    Task,
    loud,
    narrow,
    next_tokens,
    odd,
    short,
)


@dataclass(frozen=True, kw_only=True)
class InContextRecall(Task):
    """Pairs of a key and its value, drawn anew for every row: `k1 v1 k2 v2 k1 v1 …`.

    Keys are the lower half of the vocabulary, values the upper; the last key was shown before. Trained on every next
    token; scored on the values of keys that the row has shown already.
    """

    vocab_size: int = 16
    length: int = 128
    noise_tokens: int = 0
    noise: float = 0.0

    @property
    def chance(self) -> float:
        """One of the values."""
        return 1 / (self._clean - self._keys)

    @property
    def _clean(self) -> int:
        return self.vocab_size - self.noise_tokens

    @property
    def _keys(self) -> int:
        return self._clean // 2

    def _problem(self) -> Problem | None:
        return (
            short(self.length, 4)
            or odd(self.length)
            or narrow(self.vocab_size, 4 + self.noise_tokens)
            or loud(self.noise, self.noise_tokens)
        )

    def _examples(self, rows: int, rng: np.random.Generator, split: Split) -> Examples:
        pairs = self.length // 2
        values_of = rng.integers(self._keys, self._clean, (rows, self._keys))
        keys = rng.integers(0, self._keys, (rows, pairs))
        noisy = rng.random((rows, pairs)) < self.noise
        noisy[np.arange(rows), rng.integers(0, pairs - 1, rows)] = False  # one pair at least is shown
        noisy[:, -1] = False
        keys[:, -1] = _shown(rng, keys[:, :-1], ~noisy[:, :-1])
        tokens = np.stack([keys, np.take_along_axis(values_of, keys, axis=1)], axis=2)
        filler = rng.integers(self._clean, self._clean + max(1, self.noise_tokens), tokens.shape)
        tokens = np.where(noisy[:, :, None], filler, tokens).reshape(rows, self.length)
        labels = next_tokens(tokens)
        if split == "test":
            known = np.zeros((rows, self.length), bool)
            known[:, ::2] = _seen_before(keys, ~noisy)
            labels[~known] = IGNORED
        return Examples(tokens, labels)


@dataclass(frozen=True, kw_only=True)
class NoisyRecall(InContextRecall):
    """In-context recall with pairs of noise, from tokens of their own, between the pairs."""

    vocab_size: int = 32
    noise_tokens: int = 16
    noise: float = 0.2


def _shown(rng: np.random.Generator, keys: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """For every row one of its keys in `clean` places, all distinct ones equally likely."""
    present = np.zeros((len(keys), keys.max() + 1), bool)
    row, place = np.nonzero(clean)
    present[row, keys[row, place]] = True
    return np.where(present, rng.random(present.shape), -1).argmax(axis=1)


def _seen_before(keys: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """Where a key stands that stood in a clean place of its row before: [rows, pairs] of both."""
    seen = np.zeros((len(keys), keys.max() + 1), bool)
    rows = np.arange(len(keys))
    known = np.zeros_like(clean)
    for place in range(keys.shape[1]):
        known[:, place] = seen[rows, keys[:, place]] & clean[:, place]
        seen[rows, keys[:, place]] |= clean[:, place]
    return known
