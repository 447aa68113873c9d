"""Fuzzy recall of MAD (Poli 2024, arXiv 2403.17844, section 3)."""

from dataclasses import dataclass

import numpy as np

from eulerstack.training.tasks.task import IGNORED, Examples, Problem, Split, Task, narrow, short

Motif = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class FuzzyRecall(Task):
    """In-context recall whose keys and values are motifs: one to `motif` distinct tokens that stand together.

    The last token of the vocabulary fills rows up on the left; of the others the lower half makes keys, the upper
    values. The last pair was shown before. Trained on every next token with motifs of all sizes; scored, with keys of
    the largest size, on the values of keys that the row has shown already.
    """

    vocab_size: int = 16
    length: int = 128
    motif: int = 3

    @property
    def chance(self) -> float:
        """One of the tokens that make values."""
        return 1 / (self._pad - self._keys)

    @property
    def _pad(self) -> int:
        return self.vocab_size - 1

    @property
    def _keys(self) -> int:
        return self._pad // 2

    def _problem(self) -> Problem | None:
        return narrow(self.vocab_size, 2 * self.motif + 1) or short(self.length, 4 * self.motif)

    def _examples(self, rows: int, rng: np.random.Generator, split: Split) -> Examples:
        inputs = np.full((rows, self.length), self._pad)
        labels = np.full_like(inputs, IGNORED)
        for row in range(rows):
            tokens, known = self._row(rng, split)
            start = self.length - len(tokens)
            inputs[row, start:] = tokens
            asked = np.asarray(known) if split == "test" else np.ones(len(tokens), bool)
            asked[0] = False  # nothing stands before it that could ask
            places = start + np.nonzero(asked)[0]
            labels[row, places - 1] = inputs[row, places]
        return Examples(inputs, labels)

    def _row(self, rng: np.random.Generator, split: Split) -> tuple[list[int], list[bool]]:
        """The tokens of a row, and whether each belongs to the value of a key shown before."""
        values: dict[Motif, Motif] = {}
        tokens: list[int] = []
        known: list[bool] = []

        def put(key: Motif, value: Motif, seen: bool) -> None:
            tokens.extend((*key, *value))
            known.extend((*[False] * len(key), *[seen] * len(value)))

        while len(tokens) + 4 * self.motif <= self.length:  # room for this pair and the last one
            key = self._motif(rng, 0, self._keys, fixed=split == "test")
            seen = key in values
            if not seen:
                values[key] = self._motif(rng, self._keys, self._pad, fixed=False)
            put(key, values[key], seen)
        key = list(values)[rng.integers(len(values))]
        put(key, values[key], True)
        return tokens, known

    def _motif(self, rng: np.random.Generator, low: int, high: int, *, fixed: bool) -> Motif:
        size = self.motif if fixed else int(rng.integers(1, self.motif + 1))
        return tuple((low + rng.random(high - low).argsort()[:size]).tolist())
