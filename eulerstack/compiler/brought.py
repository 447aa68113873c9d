"""What a model directory is filled with besides what the IR says: made afresh, or brought along by an import."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eulerstack.compiler.tokenizer import Mode, SavedTokenizer, save_tokenizer
from eulerstack.compiler.values import drawn
from eulerstack.compiler.weights import Stream
from eulerstack.ir.nodes import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """What fills a model directory.

    - stream: the values of the tensors.
    - dtypes: the stored types of tensors that do not have the spec's own.
    - tokenizer: puts its files into a directory.
    - generation: the content of generation_config.json; None: just the special tokens.
    - seed: what the weights were drawn under; None for weights that came from elsewhere.
    """

    stream: Stream
    dtypes: Mapping[str, str]
    tokenizer: Callable[[Path], SavedTokenizer]
    generation: dict[str, Any] | None = None
    seed: int | None = None


def fresh(model: Model, *, seed: int, tokenizer: Mode) -> Brought:
    """Initial weights and the tokenizer that the spec names."""

    def save(directory: Path) -> SavedTokenizer:
        return save_tokenizer(
            model.tokenizer,
            directory,
            vocab_size=model.vocab_size,
            max_length=model.max_seq_len,
            mode=tokenizer,
            transition=(model.transition or {}).get("token"),
        )

    return Brought(stream=drawn(seed), dtypes={}, tokenizer=save, seed=seed)
