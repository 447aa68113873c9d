"""Two specs side by side: sizes, cost, layers."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from html import escape
from itertools import zip_longest
from typing import Any

from eulerstack import i18n
from eulerstack.diagnostics import Source
from eulerstack.drawing import Drawing, draw_pair
from eulerstack.drawing.words import badges, ffn_words, mixer_words
from eulerstack.ir.cost import Cost, Workload, cost
from eulerstack.ir.fold import Run, fold
from eulerstack.ir.nodes import Layer, Model, Node, Parallel
from eulerstack.results.cost_words import operations
from eulerstack.results.shown import html_table, short, size
from eulerstack.results.table import Tabled, TextTable, bold
from eulerstack.results.unfolding import unfoldable

NUMBERS = frozenset({1, 2, 3})
SHAPE = ("d_model", "d_ff", "n_heads", "n_kv_heads", "head_dim", "vocab_size", "max_seq_len", "dtype")
"""What is told of a model's numbers, under the names of its keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One quantity of both models: what it is called, its two values, and how they are told."""

    label: str
    before: Any
    after: Any
    told: tuple[str, str]

    @property
    def ratio(self) -> str:
        """How many times the first the second is; empty for what is no number, or the same."""
        numbers = all(isinstance(value, int | float) for value in (self.before, self.after))
        if not numbers or self.before == self.after or not self.before:
            return ""
        return f"× {self.after / self.before:.4g}"


@dataclass(frozen=True, repr=False)
class Comparison(Tabled):
    """Two models compared at one length: unless written, the shorter of their contexts, so that both can be asked for
    it. `written`: what their cost is told for, as `Workload.of` takes it.
    """

    sources: tuple[Source, Source]
    models: tuple[Model, Model]
    written: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        """The length at which operations and cache are compared."""
        return self.written.get("seq") or min(model.max_seq_len for model in self.models)

    @cached_property
    def costs(self) -> tuple[Cost, Cost]:
        """What each model costs at that length."""
        asked = {**self.written, "seq": self.tokens}
        first, second = (cost(model, Workload.of(model, **asked)) for model in self.models)
        return first, second

    @cached_property
    def rows(self) -> list[Row]:
        """Parameters, operations, cache, shape."""
        return [*self._cost_rows(), *self._shape_rows()]

    def _cost_rows(self) -> Iterator[Row]:
        first, second = self.costs
        for name in ("total", "active", "embedding"):
            before, after = getattr(first.params, name), getattr(second.params, name)
            yield _counted(_label(f"params-{name}"), before, after, short)
        for name in ("training", "prefill", "decode"):
            before, after = getattr(first.flops.kernels, name), getattr(second.flops.kernels, name)
            yield _counted(_label(f"flops-{name}", tokens=self.tokens), before, after, operations)
        yield _counted(_label("cache-token"), first.cache.per_token, second.cache.per_token, size)
        yield _counted(_label("cache-full", tokens=self.tokens), first.cache.at_seq, second.cache.at_seq, size)
        trained = _label("memory", tokens=self.tokens, batch=first.workload.batch)
        yield _counted(trained, first.memory.total, second.memory.total, size)

    def _shape_rows(self) -> Iterator[Row]:
        first, second = self.models
        yield _counted(_label("layers"), len(first.schedule), len(second.schedule), str)
        for name in SHAPE:
            yield _counted(name, getattr(first, name), getattr(second, name), str)

    @cached_property
    def schedules(self) -> tuple[list[str], list[str]]:
        """Each model's folded schedule, line by line."""
        first, second = (list(_schedule_lines(model, fold(model.schedule), 0)) for model in self.models)
        return first, second

    @cached_property
    def drawing(self) -> Drawing:
        """Both schedules side by side, what differs marked."""
        return draw_pair(*self.models, self.costs)

    def _head(self) -> list[str]:
        before, after = (source.name for source in self.sources)
        return ["", before, after, ""]

    def _cells(self) -> list[tuple[str, str, str, str]]:
        return [(row.label, *row.told, row.ratio) for row in self.rows]

    def lines(self, width: int, *, color: bool) -> list[str]:
        """The quantities as a table, the schedules beside each other below it."""
        table = TextTable(head=self._head(), rows=self._cells(), numbers=NUMBERS)
        pairs = list(zip_longest(*self.schedules, fillvalue=""))
        names = [source.name for source in self.sources]
        layers = TextTable(head=names, rows=pairs, flexible=frozenset({0, 1}))
        sizes = table.lines(width, color=color)
        return [*sizes, "", bold(_label("schedules"), color), *layers.lines(width, color=color)]

    def html(self) -> str:
        """The same as two HTML tables, and the picture of both."""
        names = [source.name for source in self.sources]
        pairs = ([cell.replace("  ", "\u2003") for cell in pair] for pair in zip_longest(*self.schedules, fillvalue=""))
        title = f"<p><b>{escape(_label('schedules'))}</b></p>"
        sizes = html_table(self._head(), self._cells(), numbers=NUMBERS)
        picture = unfoldable(self.drawing, draw_pair(*self.models, self.costs, unfolded=True))
        return f"<div>{sizes}{title}{html_table(names, pairs)}{picture}</div>"

    def to_dict(self) -> dict[str, Any]:
        """For machines: `tokens`, and of each spec its name, parameters, FLOPs per token, cache, shape, mixers."""
        return {
            "tokens": self.tokens,
            "specs": [
                self._spec(source, model, each)
                for source, model, each in zip(self.sources, self.models, self.costs, strict=True)
            ],
        }

    def _spec(self, source: Source, model: Model, each: Cost) -> dict[str, Any]:
        params = {name: getattr(each.params, name) for name in ("total", "active", "embedding", "non_embedding")}
        mixers = Counter(model.block(node.block).mixer.type for node in model.schedule if isinstance(node, Layer))
        return {
            "spec": source.name,
            "name": model.name,
            "params": params,
            "flops_per_token": asdict(each.flops.kernels),
            "cache": {"bytes_per_token": each.cache.per_token, "bytes_at_tokens": each.cache.at_seq},
            "memory": {**asdict(each.memory), "total": each.memory.total},
            "layers": len(model.schedule),
            "mixers": dict(mixers),
            **{name: getattr(model, name) for name in SHAPE},
        }


def _counted(label: str, before: Any, after: Any, tell: Any) -> Row:
    return Row(label=label, before=before, after=after, told=(tell(before), tell(after)))


def _schedule_lines(model: Model, runs: tuple[Run, ...], depth: int) -> Iterator[str]:
    for run in runs:
        times = f"{run.repeat} × " if run.repeat > 1 else ""
        if run.leaf is None:
            yield f"{'  ' * depth}{times.rstrip()}"
            yield from _schedule_lines(model, run.runs, depth + 1)
        else:
            yield f"{'  ' * depth}{times}{_words(model, run.leaf)}"


def _words(model: Model, node: Node) -> str:
    if isinstance(node, Layer):
        block = model.block(node.block)
        parts = [mixer_words(block.mixer), *badges(block, node), ffn_words(block.ffn)]
        return " | ".join(part for part in parts if part)
    bodies = [stream.body for stream in node.streams] if isinstance(node, Parallel) else [node.body]
    inner = (" + ".join(_words(model, layer) for layer in body) for body in bodies)
    return f"({' ∥ '.join(inner)})" if isinstance(node, Parallel) else f"{node.type} × {node.steps} ({next(inner)})"


def _label(key: str, **params: object) -> str:
    return i18n.text("cli", f"compare.{key}", **params)
