"""What a spec's model is: its layers, its exact size, what decoding keeps."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from eulerstack import i18n
from eulerstack.diagnostics import Source
from eulerstack.drawing import Drawing, NoLayoutEngineError, draw
from eulerstack.drawing.words import badges, ffn_words, mixer_words, norm_words
from eulerstack.ir.caches import cache_bytes
from eulerstack.ir.fold import Run, fold
from eulerstack.ir.nodes import Integrator, Layer, Model, Node, Parallel
from eulerstack.ir.totals import Totals, count
from eulerstack.results.shown import AboutSpec, html_table, short, size
from eulerstack.schema.base import UnknownParameters

COLUMNS = ("layer", "block", "mixer", "ffn", "norm", "params", "cache")
NUMBERS = (5, 6)
UNKNOWN = "–"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the folded schedule. `depth`: how many repeats it stands inside; `node` None: it opens a repeat."""

    depth: int
    repeat: int
    first: int
    node: Node | None


@dataclass(frozen=True, repr=False)
class Explanation(AboutSpec):
    """A model explained. `source` is what it was read from."""

    source: Source
    model: Model

    @cached_property
    def _counted(self) -> Totals | UnknownParameters:
        try:
            return count(self.model)
        except UnknownParameters as unknown:
            return unknown

    @property
    def totals(self) -> Totals | None:
        """Exact parameter counts; None where a primitive's parameters are not stated yet."""
        return self._counted if isinstance(self._counted, Totals) else None

    @cached_property
    def rows(self) -> list[Row]:
        """The schedule folded into nested repeats, line by line."""
        return list(_rows(fold(self.model.schedule), 0, 0))

    @cached_property
    def drawing(self) -> Drawing:
        """The schedule as a picture."""
        return draw(self.model)

    def cache_at(self, tokens: int) -> tuple[int | None, ...]:
        """Bytes of cache per sequence after `tokens` tokens, layer by layer; None where a mixer states none yet."""
        return cache_bytes(self.model, tokens)

    @cached_property
    def _bytes(self) -> tuple[tuple[int | None, ...], tuple[int | None, ...]]:
        """What the first token adds, and what a whole sequence needs."""
        pairs = zip(self.cache_at(0), self.cache_at(1), strict=True)
        added = tuple(None if one is None or none is None else one - none for none, one in pairs)
        return added, self.cache_at(self.model.max_seq_len)

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
        return [(_label("params"), self._size_line()), (_label("dims"), dims), (_label("cache"), self._cache_line())]

    def _size_line(self) -> str:
        totals = self._counted
        if isinstance(totals, UnknownParameters):
            return _label("unknown", primitive=totals.primitive)
        told = (("total", totals.total), ("active", totals.active), ("embedding", totals.embedding))
        return " · ".join(f"{_label(key)} {short(number)} ({number:,})" for key, number in told)

    def _cache_line(self) -> str:
        token, full = (_sum(part) for part in self._bytes)
        if token is None or full is None:
            return _label("unknown-cache")
        return _label("cache-line", token=size(token), full=size(full), tokens=self.model.max_seq_len)

    def _cells(self, row: Row) -> tuple[str, ...]:
        indent = "  " * row.depth
        if row.node is None:
            return (f"{indent}{row.repeat} ×", "", "", "", "", "", "")
        last = row.first + row.repeat - 1
        where = f"{indent}{row.first}" if row.repeat == 1 else f"{indent}{row.first}–{last}"
        if not isinstance(row.node, Layer):
            return (where, _node_words(row.node), "", "", "", self._params(row), UNKNOWN)
        block = self.model.block(row.node.block)
        kept = self._bytes[0][row.first]
        return (
            where,
            block.name,
            " · ".join([mixer_words(block.mixer), *badges(block, row.node)]),
            ffn_words(block.ffn),
            norm_words(block),
            self._params(row),
            UNKNOWN if kept is None else size(kept),
        )

    def _params(self, row: Row) -> str:
        return UNKNOWN if self.totals is None else f"{self.totals.per_layer[row.first]:,}"

    def header(self) -> Group:
        """The model's name, size, dimensions and cache, for a terminal."""
        facts = Table.grid(padding=(0, 2))
        for label, line in self.facts():
            facts.add_row(Text(label, style="dim"), line)
        return Group(Text(self.model.name, style="bold"), facts)

    def rich(self) -> Group:
        """The header and the folded schedule as a table."""
        table = Table(box=None, header_style="bold", pad_edge=False)
        for index, column in enumerate(COLUMNS):
            number = index in NUMBERS
            table.add_column(_label(f"column.{column}"), justify="right" if number else "left", no_wrap=number)
        for row in self.rows:
            table.add_row(*self._cells(row))
        return Group(self.header(), Text(), table)

    def html(self) -> str:
        """Header, table and drawing."""
        head = [_label(f"column.{column}") for column in COLUMNS]
        rows = ([cell.replace("  ", "\u2003") for cell in self._cells(row)] for row in self.rows)
        name = html_table([self.model.name, ""], self.facts())
        return f"<div>{name}{html_table(head, rows, numbers=NUMBERS)}{self._picture()}</div>"

    def _picture(self) -> str:
        try:
            return f'<div style="overflow-x:auto">{self.drawing.svg}</div>'
        except NoLayoutEngineError:
            return ""

    def to_dict(self) -> dict[str, Any]:
        """For machines: `name`, `params`, `cache`, `layers` (one for each entry of the expanded schedule)…"""
        totals = self.totals
        token, full = self._bytes
        return {
            "name": self.model.name,
            "d_model": self.model.d_model,
            "vocab_size": self.model.vocab_size,
            "max_seq_len": self.model.max_seq_len,
            "dtype": self.model.dtype,
            "params": asdict(totals) if totals else None,
            "cache": {"bytes_per_token": _sum(token), "bytes_at_max_seq_len": _sum(full)},
            "layers": [self._layer(index, node) for index, node in enumerate(self.model.schedule)],
        }

    def _layer(self, index: int, node: Node) -> dict[str, Any]:
        totals, cached = self.totals, self._bytes[0][index]
        shared = {
            "index": index,
            "params": totals.per_layer[index] if totals else None,
            "active": totals.active_per_layer[index] if totals else None,
            "cache_bytes_per_token": cached,
        }
        if not isinstance(node, Layer):
            return {**shared, "kind": "parallel" if isinstance(node, Parallel) else "integrator"}
        block = self.model.block(node.block)
        ffn = block.ffn.type if block.ffn else "none"
        return {**shared, "kind": "layer", "block": block.name, "mixer": block.mixer.type, "ffn": ffn}


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


def _sum(parts: tuple[int | None, ...]) -> int | None:
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _label(key: str, **params: object) -> str:
    return i18n.text("explain", key, **params)
