"""What a study knows of one run, in the words of the JSON that the run leaves behind."""

from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """A model's sizes: all parameters, FLOPs of training per token, bytes of decoding state at the task's length."""

    params: int
    flops: int
    state: int
    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How a finished run did. `score` is the held-out accuracy, or the loss in nats where a task is scored by it.

    `curve`: (step, training loss in nats, score) along the way. `memory`: the device's peak in bytes, None on a CPU,
    where one process has no peak of its own.
    """

    score: float
    loss: float
    steps: int
    tokens: int
    seconds: float
    memory: int | None
    curve: tuple[tuple[int, float, float], ...]

    @property
    def tokens_per_second(self) -> float:
        """Training's own pace, evaluations left out."""
        return self.tokens / self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One spec on one task at one learning rate with one seed: finished (`score`) or failed (`failure`)."""

    spec: str
    task: str
    lr: float
    seed: int
    sizes: Sizes | None = None
    score: Score | None = None
    failure: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON types only."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "Run":
        """What `to_dict` wrote."""
        sizes, score = plain["sizes"], plain["score"]
        if score:
            score = Score(**score | {"curve": tuple(map(tuple, score["curve"]))})
        return cls(**plain | {"sizes": sizes and Sizes(**sizes), "score": score})


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a task is to its readers: what guessing scores, how many answers one test has, which way is better."""

    name: str
    chance: float
    asked: int
    scored_by: Literal["accuracy", "loss"]
    train: int
    published_train: int

    @property
    def lower_is_better(self) -> bool:
        """Whether the score is a loss."""
        return self.scored_by == "loss"


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """A whole study: its tasks, and its runs in their order."""

    name: str
    matched_by: str
    tasks: tuple[Judged, ...]
    runs: tuple[Run, ...]
    directory: str = ""

    @property
    def specs(self) -> list[str]:
        """The specs in the study's order."""
        return list(dict.fromkeys(run.spec for run in self.runs))
