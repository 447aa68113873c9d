"""Language modelling as a task: bytes of any source of `eulerstack.training.data`, judged by the held-out loss."""

from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Literal

import numpy as np

from eulerstack.diagnostics import error
from eulerstack.training.data.sources import STANDARD_LIBRARY, open_source
from eulerstack.training.data.split import split as parted
from eulerstack.training.data.store import unigram_loss
from eulerstack.training.tasks.task import Examples, Problem, Split, Task, narrow, next_tokens, short

BYTES = 256
END = BYTES
"""The token that closes a document."""


@dataclass(frozen=True, kw_only=True)
class Text(Task):
    """Rows cut at random places out of the first `limit` bytes of a text, byte by byte; every next one is asked for.

    `data` is what `--data` takes: `python-stdlib`, a file or folder, a dataset's name. The test rows come from held-out
    documents.
    """

    vocab_size: int = BYTES + 1
    length: int = 128
    data: str = STANDARD_LIBRARY
    limit: int = 4_000_000
    test: int = 256

    scored_by: ClassVar[Literal["accuracy", "loss"]] = "loss"

    @property
    def chance(self) -> float:
        """The loss in nats of who knows how frequent each byte is, and no context."""
        train, held_out = _streams(self.data, self.limit)
        return unigram_loss(np.bincount(train, minlength=self.vocab_size), held_out)

    def _problem(self) -> Problem | None:
        return narrow(self.vocab_size, BYTES + 1) or short(self.length, 2)

    def _examples(self, rows: int, rng: np.random.Generator, split: Split) -> Examples:
        train, held_out = _streams(self.data, self.limit)
        stream = train if split == "train" else held_out
        if len(stream) <= self.length:
            params = {"name": self.data, "tokens": len(stream), "length": self.length}
            raise error("data-short", params=params)
        starts = rng.integers(0, len(stream) - self.length, rows)
        tokens = stream[starts[:, None] + np.arange(self.length)].astype(np.int64)
        return Examples(tokens, next_tokens(tokens))


@cache
def _streams(name: str, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """The tokens to train on and those held out, each document closed by END: int16."""
    parts: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    read = 0
    for text, held_out in parted(open_source(name).documents()):
        content = np.frombuffer(text.encode("utf-8", errors="replace"), np.uint8).astype(np.int16)
        parts[held_out].append(np.append(content, np.int16(END)))
        read += len(content)
        if read >= limit:
            break
    train, held_out_bytes = (np.concatenate(part) if part else np.empty(0, np.int16) for part in parts)
    return train, held_out_bytes
