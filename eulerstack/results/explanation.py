"""What a spec's model is and costs: its layers, its exact size, operations, decoding state, memory of training."""

from collections.abc import Iterator
from dataclasses import asdict
from functools import cached_property
from typing import Any

from eulerstack import i18n
from eulerstack.diagnostics import Source
from eulerstack.drawing import Drawing, draw
from eulerstack.drawing.words import badges, ffn_words, mixer_words, norm_words
from eulerstack.ir.caches import cache_bytes
from eulerstack.ir.cost import Cost, Workload, cost
from eulerstack.ir.fitting import Fit, fitting
from eulerstack.ir.fold import Run, fold
from eulerstack.ir.nodes import Integrator, Layer, Model, Node, Parallel
from eulerstack.ir.totals import Totals
from eulerstack.records import dataclass
from eulerstack.results.cost_words import cost_facts, fit_facts, operations
from eulerstack.results.shown import AboutSpec, html_table, short, size
from eulerstack.results.table import NARROW, Tabled, TextTable, facts_lines
from eulerstack.results.tissue_words import tissue_dict, tissue_facts
from eulerstack.results.unfolding import unfoldable

COLUMNS = ("layer", "block", "mixer", "ffn", "norm", "params", "flops", "cache", "cache-full")
NUMBERS = (5, 6, 7, 8)
WORDS = (1, 2, 3, 4)
"""The columns of words, which wrap where a terminal is narrow."""

NARROW_NUMBERS = ("params", "flops", "cache-full")
"""The columns of numbers that a narrow terminal shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the folded schedule. `depth`: how many repeats it stands inside; `node` None: it opens a repeat."""

    depth: int
    repeat: int
    first: int
    node: Node | None


@dataclass(frozen=True, repr=False)
class Explanation(Tabled, AboutSpec):
    """A model explained. `source` is what it was read from; `load` what its cost is told for (None: the spec's own);
    `available`: bytes of a device that training is to fit.
    """

    source: Source
    model: Model
    load: Workload | None = None
    available: int | None = None

    @cached_property
    def cost(self) -> Cost:
        """All that it costs."""
        return cost(self.model, self.load)

    @property
    def totals(self) -> Totals:
        """Exact parameter counts."""
        return self.cost.params

    @cached_property
    def fit(self) -> Fit | None:
        """Whether training fits the device, if one was named."""
        return None if self.available is None else fitting(self.model, self.cost.workload, self.available)

    @cached_property
    def rows(self) -> list[Row]:
        """The schedule folded into nested repeats, line by line."""
        return list(_rows(fold(self.model.schedule), 0, 0))

    @cached_property
    def drawing(self) -> Drawing:
        """The schedule as a picture."""
        return draw(self.model, self.cost)

    def cache_at(self, tokens: int) -> tuple[int, ...]:
        """Bytes of cache per sequence after `tokens` tokens, for each entry of the schedule."""
        return cache_bytes(self.model, tokens)

    def facts(self) -> list[tuple[str, str]]:
        """The lines above the table: a label and what it says."""
        model = self.model
        dims = _label(
            "dims-line",
            d_model=model.d_model,
            layers=len(model.schedule),
            vocab_size=model.vocab_size,
            max_seq_len=model.max_seq_len,
            dtype=model.dtype,
        )
        own = [(_label("params"), self._size_line()), (_label("dims"), dims)]
        return [*own, *tissue_facts(model), *cost_facts(self.cost), *(fit_facts(self.fit) if self.fit else ())]

    def _size_line(self) -> str:
        totals = self.totals
        told = (("total", totals.total), ("active", totals.active), ("embedding", totals.embedding))
        return " · ".join(f"{_label(key)} {short(number)} ({number:,})" for key, number in told)

    def _cells(self, row: Row) -> tuple[str, ...]:
        indent = "  " * row.depth
        if row.node is None:
            return (f"{indent}{row.repeat} ×", *[""] * (len(COLUMNS) - 1))
        last = row.first + row.repeat - 1
        where = f"{indent}{row.first}" if row.repeat == 1 else f"{indent}{row.first}–{last}"
        numbers = self._numbers(row.first)
        if not isinstance(row.node, Layer):
            return (where, _node_words(row.node), "", "", "", *numbers)
        block = self.model.block(row.node.block)
        mixer = " · ".join([mixer_words(block.mixer), *badges(block, row.node)])
        return (where, block.name, mixer, ffn_words(block.ffn), norm_words(block), *numbers)

    def _numbers(self, index: int) -> tuple[str, ...]:
        """Of one layer: parameters, operations of a prompt's token, cache for a token and for a whole sequence."""
        flops, cache = self.cost.flops.per_layer[index], self.cost.cache
        kept = (size(cache.per_layer_token[index]), size(cache.per_layer_at_seq[index]))
        return (f"{self.totals.per_layer[index]:,}", operations(flops.prefill), *kept)

    def lines(self, width: int, *, color: bool) -> list[str]:
        """Name, sizes and cost, and the folded schedule as a table."""
        table = self._table() if width >= NARROW else self._narrow_table()
        facts = facts_lines(self.model.name, self.facts(), width, color=color)
        return [*facts, "", *table.lines(width, color=color)]

    def _table(self) -> TextTable:
        head = [_label(f"column.{column}") for column in COLUMNS]
        rows = [self._cells(row) for row in self.rows]
        return TextTable(head=head, rows=rows, numbers=frozenset(NUMBERS), flexible=frozenset(WORDS))

    def _narrow_table(self) -> TextTable:
        """The same where a terminal is narrow: words below each other, numbers short, no cache of a single token."""
        mixer, ffn, norm = (_label(f"column.{COLUMNS[column]}") for column in WORDS[1:])
        first, block, *_ = (_label(f"column.{column}") for column in COLUMNS)
        head = (first, block, f"{mixer} / {ffn} / {norm}", *(_label(f"column.{column}") for column in NARROW_NUMBERS))
        rows = [line for row in self.rows for line in self._narrow_cells(row)]
        return TextTable(head=head, rows=rows, numbers=frozenset({3, 4, 5}), flexible=frozenset({1, 2}))

    def _narrow_cells(self, row: Row) -> Iterator[tuple[str, ...]]:
        where, block, mixer, *below = self._cells(row)
        if row.node is None:
            yield (where, *[""] * 5)
            return
        params, cache = self.totals.per_layer[row.first], self.cost.cache.per_layer_at_seq[row.first]
        yield where, block, mixer, short(params), operations(self.cost.flops.per_layer[row.first].prefill), size(cache)
        yield from (("", "", words, "", "", "") for words in below[:2] if words)

    def html(self) -> str:
        """Header, table and drawing."""
        picture = unfoldable(self.drawing, draw(self.model, self.cost, unfolded=True))
        return f"<div>{self.tables()}{picture}</div>"

    def tables(self) -> str:
        """Header and table as HTML."""
        head = [_label(f"column.{column}") for column in COLUMNS]
        rows = ([cell.replace("  ", "\u2003") for cell in self._cells(row)] for row in self.rows)
        name = html_table([self.model.name, ""], self.facts())
        return f"{name}{html_table(head, rows, numbers=NUMBERS)}"

    def to_dict(self) -> dict[str, Any]:
        """For machines: `name`, `workload`, `params`, `flops` (operations a token), `cache` and `memory` (bytes),
        `fits` where a device was named, `tissue` where there is one, and `layers`, one for each entry of the expanded
        schedule.
        """
        model, told = self.model, self.cost
        return {
            "name": model.name,
            "d_model": model.d_model,
            "vocab_size": model.vocab_size,
            "max_seq_len": model.max_seq_len,
            "dtype": model.dtype,
            "workload": asdict(told.workload),
            "params": asdict(told.params),
            "flops": {**asdict(told.flops.kernels), "eager": asdict(told.flops.eager), "rest": asdict(told.flops.rest)},
            "cache": {
                "bytes_fixed": told.cache.fixed,
                "bytes_per_token": told.cache.per_token,
                "bytes_at_seq": told.cache.at_seq,
            },
            "memory": {**asdict(told.memory), "total": told.memory.total},
            **({"fits": _fit_dict(self.fit)} if self.fit else {}),
            **({"tissue": tissue_dict(model)} if model.tissue else {}),
            "layers": [self._layer(index, node) for index, node in enumerate(model.schedule)],
        }

    def _layer(self, index: int, node: Node) -> dict[str, Any]:
        told = self.cost
        shared = {
            "index": index,
            "params": told.params.per_layer[index],
            "active": told.params.active_per_layer[index],
            "flops": asdict(told.flops.per_layer[index]),
            "cache_bytes_per_token": told.cache.per_layer_token[index],
            "cache_bytes_at_seq": told.cache.per_layer_at_seq[index],
        }
        if not isinstance(node, Layer):
            return {**shared, "kind": "parallel" if isinstance(node, Parallel) else "integrator"}
        block = self.model.block(node.block)
        ffn = block.ffn.type if block.ffn else "none"
        return {**shared, "kind": "layer", "block": block.name, "mixer": block.mixer.type, "ffn": ffn}


def _fit_dict(fit: Fit) -> dict[str, Any]:
    remedies = [
        {"changes": {key: getattr(remedy.workload, key) for key in remedy.changes}, "bytes": remedy.memory.total}
        for remedy in fit.remedies
    ]
    return {"available": fit.available, "fits": fit.fits, "bytes": fit.memory.total, "remedies": remedies}


def _rows(runs: tuple[Run, ...], depth: int, first: int) -> Iterator[Row]:
    for run in runs:
        if run.leaf is not None:
            yield Row(depth=depth, repeat=run.repeat, first=first, node=run.leaf)
        else:
            yield Row(depth=depth, repeat=run.repeat, first=first, node=None)
            yield from _rows(run.body, depth + 1, first)  # type: ignore[arg-type]
        first += run.length


def _node_words(node: Parallel | Integrator) -> str:
    if isinstance(node, Parallel):
        return f"parallel {' | '.join(stream.name for stream in node.streams)}"
    return f"{node.type} × {node.steps}"


def _label(key: str, **params: object) -> str:
    return i18n.text("explain", key, **params)
