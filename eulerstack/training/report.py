"""What a run says of itself, in numbers that travel between processes as JSON."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One step: its number from 1, seconds since the first began, the training loss in nats per token."""

    step: int
    elapsed: float
    loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A finished run. Losses are held-out cross-entropies in nats per token; `unigram` is the score without context."""

    steps: int
    tokens: int
    seconds: float
    parameters: int
    before: float
    after: float
    unigram: float
    sample: str

    @property
    def learned(self) -> bool:
        """Whether the model predicts better than token frequencies alone."""
        return self.after < self.unigram
