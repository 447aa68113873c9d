"""Multi-query associative recall (MQAR) of Zoology (Arora 2023, arXiv 2312.04927, section 4)."""

from dataclasses import dataclass

import numpy as np

from eulerstack.training.tasks.task import IGNORED, Examples, Problem, Split, Task, distinct, narrow, odd, short


@dataclass(frozen=True, kw_only=True)
class MultiQueryRecall(Task):
    """`pairs` keys and values, then each key once more among random tokens: the output there is to be its value.

    Keys are drawn from [1, V/2), values from [V/2, V), without replacement. How far behind the pairs a key is asked for
    follows a power law: slot s of the rest, two tokens each, has weight (s + 1)^(power - 1). Trained and scored on the
    queries alone.
    """

    vocab_size: int = 8192
    length: int = 64
    pairs: int = 4
    power: float = 0.01
    train: int = 100_000
    test: int = 3_000

    @property
    def chance(self) -> float:
        """One of the values that the row shows."""
        return 1 / self.pairs

    def _problem(self) -> Problem | None:
        return odd(self.length) or short(self.length, 4 * self.pairs) or narrow(self.vocab_size, 2 * self.pairs + 2)

    def _examples(self, rows: int, rng: np.random.Generator, split: Split) -> Examples:
        half, shown = self.vocab_size // 2, 2 * self.pairs
        keys = 1 + distinct(rng, rows, half - 1, self.pairs)
        values = half + distinct(rng, rows, self.vocab_size - half, self.pairs)
        inputs = rng.integers(0, self.vocab_size, (rows, self.length))
        inputs[:, 0:shown:2], inputs[:, 1:shown:2] = keys, values
        places = shown + 2 * self._slots(rng, rows)
        labels = np.full_like(inputs, IGNORED)
        np.put_along_axis(inputs, places, keys, axis=1)
        np.put_along_axis(labels, places, values, axis=1)
        return Examples(inputs, labels)

    def _slots(self, rng: np.random.Generator, rows: int) -> np.ndarray:
        """Of every row `pairs` slots in the order drawn, by weight without replacement (Gumbel top-k, Kool 2019)."""
        weights = (self.power - 1) * np.log(np.arange(1, (self.length - 2 * self.pairs) // 2 + 1))
        keyed = weights + rng.gumbel(size=(rows, len(weights)))
        return np.argsort(-keyed, axis=1)[:, : self.pairs]
