"""What differs between two specs, key by key and layer by layer, with the places in both texts."""

from collections.abc import Iterator
from html import escape
from typing import Any

from eulerstack import i18n
from eulerstack.diagnostics import Source, Span
from eulerstack.diagnostics.cells import cells, shortened
from eulerstack.dsl.tree import Mapping, Path, dotted, find, locate
from eulerstack.ir.diff import Change, Difference, LayerChange, diff, plain_changes, ranges
from eulerstack.ir.nodes import Layer, Model, Node
from eulerstack.ir.yaml_text import flow
from eulerstack.records import dataclass
from eulerstack.results.table import Tabled, bold

MARKS = {"added": "+", "removed": "-", "changed": "~"}
_COLORS = {"added": "\x1b[32m", "removed": "\x1b[31m", "changed": "\x1b[33m"}
_TONES = {"added": "#1a7f37", "removed": "#cf222e", "changed": "#9a6700"}
_RESET = "\x1b[0m"
LONGEST_PATH = 44


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a changed key is written in either text; None where it is not."""

    before: Span | None = None
    after: Span | None = None

    def __str__(self) -> str:
        spans = (self.before, self.after)
        return " → ".join(str(span) for span in spans if span)


@dataclass(frozen=True, repr=False)
class SpecDifference(Tabled):
    """Two specs compared. `places`: for each change of a setting, and for each key of each change of layers."""

    before: Source
    after: Source
    difference: Difference
    setting_places: tuple[Place, ...]
    layer_places: tuple[tuple[Place, ...], ...]

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.difference)

    def _title(self) -> str:
        return f"{self.before.name} → {self.after.name}"

    def lines(self, width: int, *, color: bool) -> list[str]:
        """One line for each key, below each group of layers its keys; + added, - removed, ~ changed."""
        body = [*self._settings(width, color), *self._layers(width, color)]
        return [bold(self._title(), color), *(body or [i18n.text("cli", "diff.same")])]

    def _settings(self, width: int, color: bool) -> Iterator[str]:
        for change, place in zip(self.difference.settings, self.setting_places, strict=True):
            yield _line(change, place, width, color, indent="")

    def _layers(self, width: int, color: bool) -> Iterator[str]:
        for layers, places in zip(self.difference.layers, self.layer_places, strict=True):
            yield _colored(f"{MARKS[layers.kind]} {_heading(layers)}", layers.kind, color)
            for change, place in zip(layers.changes, places, strict=True):
                yield _line(change, place, width, color, indent="    ")
            if layers.layer is not None:
                yield f"    {shortened(flow(layers.layer), width - 4)}"

    def html(self) -> str:
        """A table of the same; a place is its row's last cell."""
        rows = [_row(c, p) for c, p in zip(self.difference.settings, self.setting_places, strict=True)]
        for layers, places in zip(self.difference.layers, self.layer_places, strict=True):
            rows.append(
                _html_row(layers.kind, _heading(layers), "" if layers.layer is None else flow(layers.layer), "")
            )
            rows += [_row(c, p, indent="\u2003") for c, p in zip(layers.changes, places, strict=True)]
        body = f"<table>{''.join(rows)}</table>" if rows else f"<p>{escape(i18n.text('cli', 'diff.same'))}</p>"
        return f'<div class="eulerstack"><b>{escape(self._title())}</b>{body}</div>'

    def to_dict(self) -> dict[str, Any]:
        """For machines: `settings`, and `layers` with their indices in both schedules."""
        settings = zip(self.difference.settings, self.setting_places, strict=True)
        return {
            "before": self.before.name,
            "after": self.after.name,
            "settings": [_change_dict(change, place) for change, place in settings],
            "layers": [
                {
                    "kind": layers.kind,
                    "before": list(layers.before),
                    "after": list(layers.after),
                    "layer": layers.layer,
                    "changes": [_change_dict(c, p) for c, p in zip(layers.changes, places, strict=True)],
                }
                for layers, places in zip(self.difference.layers, self.layer_places, strict=True)
            ],
        }


def compared(
    before: Source, after: Source, old: Mapping, new: Mapping, models: tuple[Model, Model] | None = None
) -> SpecDifference:
    """Two specs' difference with its places in their trees: of their models, or without them of what is written."""
    written = Difference(settings=tuple(plain_changes(old.plain(), new.plain())), layers=())
    difference = diff(*models) if models else written
    blocks = [[_template(node) for node in model.schedule] for model in models or ()]
    layers = tuple(
        tuple(
            Place(
                before=_span(old, _at(blocks[0], group.before), change),
                after=_span(new, _at(blocks[1], group.after), change),
            )
            for change in group.changes
        )
        for group in difference.layers
    )
    settings = tuple(
        Place(before=_span(old, (), change), after=_span(new, (), change)) for change in difference.settings
    )
    return SpecDifference(before, after, difference, settings, layers)


def _template(node: Node) -> Path | None:
    return ("layer_templates", node.block) if isinstance(node, Layer) else None


def _at(templates: list[Path | None], indices: tuple[int, ...]) -> Path | None:
    """The template of the first of several layers that changed alike."""
    return templates[indices[0]]


def _span(root: Mapping, prefix: Path | None, change: Change) -> Span | None:
    """Where the key is written; None where it is a default, or stands in no template of its own."""
    path = None if prefix is None else (*prefix, *change.path)
    return locate(root, path) if path is not None and find(root, path) is not None else None


def _heading(layers: LayerChange) -> str:
    """`layers 1–3`, and where they move `layers 1–3 → 2–4`."""
    where = dict.fromkeys(ranges(side) for side in (layers.before, layers.after) if side)
    return i18n.text("cli", "diff.layers", layers=" → ".join(where))


def _values(change: Change) -> str:
    told = [flow(value) for value in (change.before, change.after)]
    return " → ".join(told) if change.kind == "changed" else told[change.kind == "added"]


def _line(change: Change, place: Place, width: int, color: bool, *, indent: str) -> str:
    path, at = dotted(change.path), str(place)
    head = f"{indent}{MARKS[change.kind]} {path}{' ' * (LONGEST_PATH - len(indent) - len(path))}"
    room = width - cells(head) - 2 - (cells(at) + 2 if at else 0)
    values = shortened(_values(change), max(room, 24))
    return f"{_colored(head, change.kind, color)}  {values}{f'  {at}' if at else ''}".rstrip()


def _colored(text: str, kind: str, color: bool) -> str:
    return f"{_COLORS[kind]}{text}{_RESET}" if color else text


def _row(change: Change, place: Place, indent: str = "") -> str:
    return _html_row(change.kind, f"{indent}{dotted(change.path)}", _values(change), str(place))


def _html_row(kind: str, name: str, values: str, place: str) -> str:
    texts = (f"{MARKS[kind]} {name}", values, place)
    tones = (f"color:{_TONES[kind]};white-space:nowrap", "font-family:monospace", "opacity:.7;white-space:nowrap")
    made = (
        f'<td style="text-align:left;padding:2px 10px;{tone}">{escape(text)}</td>'
        for tone, text in zip(tones, texts, strict=True)
    )
    return f"<tr>{''.join(made)}</tr>"


def _change_dict(change: Change, place: Place) -> dict[str, Any]:
    return {
        "path": dotted(change.path),
        "kind": change.kind,
        "before": change.before,
        "after": change.after,
        "before_at": str(place.before) if place.before else None,
        "after_at": str(place.after) if place.after else None,
    }
