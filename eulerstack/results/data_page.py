"""What a text holds, as a model's tokenizer sees it."""

import math
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eulerstack import i18n
from eulerstack.results.shown import html_table, size
from eulerstack.results.table import Tabled, facts_lines

if TYPE_CHECKING:
    from eulerstack.training.data import Store


class DataPage(Tabled):
    """A store: how much there is of it, what token frequencies alone score on it, and how it begins."""

    def __init__(self, store: "Store", sample: str, vocab_size: int):
        self.store, self.sample, self.vocab_size = store, sample, vocab_size

    @property
    def path(self) -> Path:
        """Where the tokens lie."""
        return self.store.path

    @property
    def unigram(self) -> float:
        """Nats per token of the held-out text for who knows only how frequent tokens are in the rest."""
        from eulerstack.training.data import unigram_loss

        return unigram_loss(self.store.train.counts, self.store.held_out.tokens)

    def facts(self) -> list[tuple[str, str]]:
        """A label and what it says."""
        facts = [(_text("source"), self.store.name), (_text("directory"), str(self.path))]
        for label, part in ((_text("train"), self.store.train), (_text("held-out"), self.store.held_out)):
            told = _text(
                "part", documents=f"{len(part.starts):,}", tokens=f"{len(part.tokens):,}", bytes=size(part.bytes)
            )
            facts.append((label, told))
        train = self.store.train
        used = f"{int((train.counts > 0).sum()):,} / {self.vocab_size:,}"
        nats, per_byte = self.unigram, self.store.held_out.tokens_per_byte
        bits = f"{nats / math.log(2):.3f}"
        return [
            *facts,
            (_text("bytes-per-token"), f"{1 / train.tokens_per_byte:.3f}"),
            (_text("vocabulary"), used),
            (_text("unigram"), _text("bits", nats=f"{nats:.3f}", bits=bits, byte=f"{float(bits) * per_byte:.3f}")),
        ]

    def lines(self, width: int, *, color: bool) -> list[str]:
        """The facts and the sample."""
        return [*facts_lines(self.store.name, self.facts(), width, color=color), "", *self.sample.splitlines()]

    def html(self) -> str:
        """The facts and the sample."""
        return f"<div>{html_table([], self.facts())}<pre>{escape(self.sample)}</pre></div>"

    def to_dict(self) -> dict[str, Any]:
        """The numbers."""
        parts = {"train": self.store.train, "held_out": self.store.held_out}
        return {
            "source": self.store.name,
            "key": self.store.key,
            "path": str(self.path),
            "unigram": self.unigram,
            **{
                name: {"documents": len(part.starts), "tokens": len(part.tokens), "bytes": part.bytes}
                for name, part in parts.items()
            },
        }


def _text(key: str, **params: object) -> str:
    return i18n.text("training", f"data.{key}", **params)
