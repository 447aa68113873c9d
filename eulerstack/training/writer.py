"""What a compiled or trained model writes, token by token: the phase, what it held likely, what its cache weighs.

The text is what `model.generate` writes for the same seed and settings; nothing here draws a token itself.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import torch
from transformers import (
    AutoTokenizer,
    Cache,
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
)

from eulerstack.diagnostics import error, unexpected
from eulerstack.records import dataclass
from eulerstack.training.loaded import loaded
from eulerstack.training.loop.settings import TOKENIZERS, read_config

LIKELY = 8
"""How many of the likeliest tokens are told."""

NEW_TOKENS = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How tokens are drawn: `temperature` 0 takes the likeliest; `top_k` 0 and `top_p` 1 leave none out."""

    new_tokens: int = NEW_TOKENS
    temperature: float = 0.7
    top_k: int = 40
    top_p: float = 1.0
    seed: int = 0

    def keys(self) -> dict[str, Any]:
        """The same as `generate` takes it."""
        if not self.temperature:
            return {"do_sample": False}
        return {"do_sample": True, "temperature": self.temperature, "top_k": self.top_k, "top_p": self.top_p}


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One token that was written. `likely` are the model's own probabilities at that place, temperature and cuts left
    out, the largest first, `probability` the token's own among them; `cache_bytes` is what the cache held when it was
    drawn: the prompt's states and those of every token before it.
    """

    id: int
    phase: int | None
    probability: float
    likely: tuple[tuple[int, float], ...]
    cache_bytes: int


class Writer:
    """The model of a directory and its tokenizer. Raises ValidationError where there is none to read."""

    def __init__(self, directory: str | Path):
        config = read_config(directory)
        if not any((Path(directory) / name).is_file() for name in TOKENIZERS):
            raise error("tokenizer-missing", params={"path": directory})
        try:
            # AutoTokenizer reads the model's config first, which is the directory's own code
            self.tokenizer = AutoTokenizer.from_pretrained(directory, trust_remote_code=True)
            self.model = loaded(directory).eval()
        except Exception as failure:  # whatever a damaged file makes the libraries raise
            raise error("model-unreadable", params={"path": directory, "reason": unexpected(failure)}) from failure
        self.longest: int = config["max_position_embeddings"]

    @property
    def phases(self) -> list[tuple[str, int]]:
        """The text's phases, in order, and how many tokens each may have; none without `execution_modes`."""
        phases = self.model.model.phases
        return [(mode["name"], budget) for mode, budget in zip(phases.modes, phases.budgets, strict=True)]

    def prompt_ids(self, prompt: str) -> torch.Tensor:
        """The prompt's tokens [1, T]. Raises ValidationError where there is none, or no room for one more."""
        ids = self.tokenizer(prompt, return_tensors="pt").input_ids.long()
        if not 0 < ids.shape[1] < self.longest:
            raise error("prompt-length", params={"tokens": ids.shape[1], "longest": self.longest - 1})
        return ids

    @torch.no_grad()
    def write(
        self,
        prompt: str,
        sampling: Sampling,
        *,
        report: Callable[[Token], None] = lambda token: None,
        stop: Event | None = None,
    ) -> list[int]:
        """The tokens after `prompt`. `report` hears each as it is drawn; when `stop` is set, no other follows."""
        ids = self.prompt_ids(prompt)
        new_tokens = min(sampling.new_tokens, self.longest - ids.shape[1])
        with self._cache_of() as held, torch.random.fork_rng():
            look = _Look(self.model, ids.shape[1], held, report, stop or Event())
            torch.manual_seed(sampling.seed)
            written = self.model.generate(
                ids,
                max_new_tokens=new_tokens,
                logits_processor=LogitsProcessorList([look.before]),
                stopping_criteria=StoppingCriteriaList([look.after]),
                use_cache=True,
                **sampling.keys(),
            )
        return written[0, ids.shape[1] :].tolist()

    def text(self, tokens: list[int], *, special: bool = False) -> str:
        """Tokens as text; `special` shows those that are no text as well."""
        return str(self.tokenizer.decode(tokens, skip_special_tokens=not special))

    def word(self, token: int) -> str:
        """One token as a reader can see it: its text, else the name that the tokenizer has for it."""
        text = self.text([token], special=True)
        seen = text.isprintable() and text.strip() and "\ufffd" not in text
        return text if seen else str(self.tokenizer.convert_ids_to_tokens(token))

    @contextmanager
    def _cache_of(self) -> Iterator[Callable[[], int]]:
        """How many bytes the cache of the last forward holds."""
        last: list[Cache] = []

        def keep(module: Any, inputs: Any, outputs: Any) -> None:
            last[:] = [outputs.past_key_values]

        handle = self.model.register_forward_hook(keep)
        try:
            yield lambda: kept_bytes(last[0])
        finally:
            handle.remove()


class _Look:
    """Looks at the scores before a token is drawn, and at the token after."""

    def __init__(
        self, model: Any, prompt_length: int, held: Callable[[], int], report: Callable[[Token], None], stop: Event
    ):
        self.phases, self.prompt_length = model.model.phases, prompt_length
        self.held, self.report, self.stop = held, report, stop
        self.probabilities_V = torch.empty(0)
        self.before, self.after = _Before(self), _After(self)

    def token(self, ids: torch.Tensor) -> Token:
        """What there is to say about the last of `ids` [1, T]."""
        drawn = int(ids[0, -1])
        top = self.probabilities_V.topk(min(LIKELY, len(self.probabilities_V)))
        phase = int(self.phases.of_generated(ids, self.prompt_length)[0, -1]) if self.phases.modes else None
        return Token(
            id=drawn,
            phase=phase,
            probability=float(self.probabilities_V[drawn]),
            likely=tuple(zip(top.indices.tolist(), top.values.tolist(), strict=True)),
            cache_bytes=self.held(),
        )


class _Before(LogitsProcessor):
    def __init__(self, look: _Look):
        self.look = look

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        self.look.probabilities_V = scores[0].float().softmax(-1)
        return scores


class _After(StoppingCriteria):
    def __init__(self, look: _Look):
        self.look = look

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        self.look.report(self.look.token(input_ids))
        return torch.full((input_ids.shape[0],), self.look.stop.is_set(), device=input_ids.device)


def kept_bytes(cache: Cache) -> int:
    """Bytes of all tensors in a cache, the notes that phases keep of its tokens left out: they belong to no layer."""
    total = 0
    for layer in cache.layers:
        if type(layer).__name__ == "PhaseState":  # the directory's own class, a copy of the runtime's
            continue
        own = getattr(layer, "tensors", None)
        tensors = own.values() if own is not None else (getattr(layer, name) for name in ("keys", "values"))
        total += sum(tensor.nbytes for tensor in tensors if tensor is not None)
        total += sum(kept_bytes(row) for row in getattr(layer, "rows", ()))
    return total


def sample(directory: Path, prompt: str, *, seed: int) -> str:
    """A prompt and its continuation by the model of a compiled or trained directory."""
    writer = Writer(directory)
    return prompt + writer.text(writer.write(prompt, Sampling(seed=seed)))
