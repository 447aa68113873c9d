"""The presets to look through: filters, a list, what is chosen in pictures and numbers, two or three side by side."""

from collections.abc import Callable, Iterator
from html import escape
from typing import Any

import ipywidgets as w

from eulerstack import api, preset_index
from eulerstack.preset_index import Preset
from eulerstack.results.comparison import Comparison
from eulerstack.results.preset_list import PresetList
from eulerstack.results.shown import html_table, short
from eulerstack.results.spec_text import SpecText
from eulerstack.widgets.compiling import CompilePanel
from eulerstack.widgets.copying import copy_button
from eulerstack.widgets.spec_editor import SpecEditor
from eulerstack.widgets.view import NOTHING, View, answering, button, dropdown, label, status

SIZES = (200 * 10**6, 10**9, 2 * 10**9, 5 * 10**9)
"""Bounds of the sizes that can be chosen, in parameters."""

MOST_MARKED = 3
TABS = ("picture", "yaml", "cost", "compare")

Bounds = tuple[int | None, int | None]

SORTS: dict[str, Callable[[Preset], Any]] = {
    "tier": lambda preset: (preset.tier, (*preset_index.LEVELS, None).index(preset.level), preset.name),
    "name": lambda preset: preset.name,
    "size": lambda preset: (preset.size is None, preset.size, preset.name),
}


class PresetBrowser(View):
    """`PresetBrowser()` in a notebook. `chosen` is the preset that is looked at, `shown` those that pass the filters,
    `marked` the names that are compared, `editor` the last editor that was opened.
    """

    def __init__(self) -> None:
        super().__init__()
        self.every = preset_index.presets()
        self.shown: list[Preset] = self.every
        self.marked: tuple[str, ...] = ()
        self.editor: SpecEditor | None = None
        self._make_filters()
        self.count = w.HTML()
        self.list = w.Select(rows=14, layout={"width": "340px"})
        self.about = w.HTML()
        self.pages = {name: w.HTML() for name in TABS}
        self.tabs = w.Tab(children=list(self.pages.values()), layout={"flex": "1 1 480px", "min_width": "0"})
        titles = (label("browser.picture"), "YAML", label("browser.cost"), label("browser.compare"))
        self.tabs.titles = titles
        self.mark = button("browser.mark", lambda _: self.toggle_mark(), icon="check")
        self.marks = w.HTML()
        self.open = button("browser.open", lambda _: self.open_editor(), icon="pencil")
        self.copies = w.HTML()
        self.panel = CompilePanel(lambda: self.chosen_name, lambda: self.chosen_name)
        self.below = w.VBox()
        self._arrange()
        self._list()
        self.list.observe(lambda _: self._choose(), "value")
        self.tabs.observe(lambda _: self._page(), "selected_index")
        for control in (*self.filters.values(), self.sort):
            control.observe(lambda _: self._list(), "value")

    def _make_filters(self) -> None:
        every = (label("browser.all"), NOTHING)
        speculative = [every, (label("browser.only"), True), (label("browser.without"), False)]
        self.filters: dict[str, Any] = {
            "tier": dropdown("browser.tier", [every, *((str(tier), tier) for tier in preset_index.TIERS)]),
            "level": dropdown("browser.level", [every, *((level, level) for level in preset_index.LEVELS)]),
            "mixer": dropdown("browser.mixer", [every, *((mixer, mixer) for mixer in preset_index.MIXERS)]),
            "size": dropdown("browser.size", [(every[0], (None, None)), *_size_options()]),
            "speculative": dropdown("browser.speculative", speculative, "260px"),
            "text": w.Text(description=label("browser.text"), style={"description_width": "initial"}),
        }
        self.sort = dropdown("browser.sort", [(_sort_label(name), name) for name in SORTS])

    def _arrange(self) -> None:
        controls = w.HBox([*self.filters.values(), self.sort], layout={"flex_flow": "row wrap"})
        buttons = w.HBox([self.mark, self.open, self.copies], layout={"flex_flow": "row wrap"})
        left = w.VBox([self.count, self.list, self.marks], layout={"flex": "0 0 350px"})
        right = w.VBox([self.about, buttons, self.tabs], layout={"flex": "1 1 480px", "min_width": "0"})
        main = w.HBox([left, right], layout={"flex_flow": "row wrap", "align_items": "flex-start"})
        self.children = (controls, main, self.panel, self.below)

    @property
    def chosen_name(self) -> str:
        """The name of the preset that is looked at; empty where none fits."""
        return self.list.value or ""

    @property
    def chosen(self) -> Preset | None:
        """The preset that is looked at, or None where none fits."""
        return preset_index.find(self.chosen_name)

    @answering
    def _list(self) -> None:
        """Filter and sort anew; the chosen one stays chosen where it still passes."""
        values = {name: None if control.value == NOTHING else control.value for name, control in self.filters.items()}
        low, high = self.filters["size"].value
        asked = {name: values[name] for name in ("tier", "level", "mixer")}
        found = [
            preset
            for preset in preset_index.presets(**asked, min_params=low, max_params=high)
            if _passes(preset, values["speculative"], self.filters["text"].value)
        ]
        self.shown = sorted(found, key=SORTS[self.sort.value])
        before, names = self.list.value, [preset.name for preset in self.shown]
        self.list.options = [(_line(preset), preset.name) for preset in self.shown]
        self.list.value = before if before in names else names[0] if names else None
        self.count.value = status(label("browser.found", count=len(names), total=len(self.every)))
        self._choose()

    @answering
    def _choose(self) -> None:
        """Show what is chosen; what no tab shows is not made."""
        preset = self.chosen
        for control in (self.mark, self.open, self.panel.button):
            control.disabled = preset is None
        marked = self.chosen_name in self.marked
        self.mark.description = label("browser.unmark" if marked else "browser.mark")
        self.about.value = _about(preset) if preset else f"<p>{escape(label('browser.none'))}</p>"
        self.copies.value = _copies(preset) if preset else ""
        self._page()

    @answering
    def _page(self) -> None:
        name = TABS[self.tabs.selected_index or 0]
        self.pages[name].value = self._compared() if name == "compare" else _page_of(name, self.chosen)

    @answering
    def toggle_mark(self) -> None:
        """Mark the chosen preset, or take its mark off."""
        name = self.chosen_name
        if name in self.marked:
            self.marked = tuple(other for other in self.marked if other != name)
        elif len(self.marked) < MOST_MARKED:
            self.marked = (*self.marked, name)
        else:
            self.marks.value = status(label("browser.most"))
            return
        self.marks.value = status(label("browser.marked", names=", ".join(self.marked))) if self.marked else ""
        if len(self.marked) > 1:
            self.tabs.selected_index = TABS.index("compare")
        self._choose()

    def _compared(self) -> str:
        if len(self.marked) < 2:
            return f"<p>{escape(label('browser.mark-more'))}</p>"
        models = [api.load(name).model for name in self.marked]
        tokens = min(model.max_seq_len for model in models)
        first, *others = self.marked
        return _comparison_html([api.compare(first, other, seq=tokens) for other in others])

    @answering
    def open_editor(self) -> None:
        """Open the chosen preset in an editor below."""
        if self.chosen:
            self.editor = SpecEditor(self.chosen_name)
            self.below.children = (self.editor,)

    def html(self) -> str:
        """The presets that pass the filters, and the chosen one with its picture."""
        chosen = f"{_about(self.chosen)}{_page_of('picture', self.chosen)}" if self.chosen else ""
        editor = self.editor.html() if self.editor else ""
        return f'<div class="eulerstack">{PresetList(self.shown).html()}{chosen}{self.panel.html()}{editor}</div>'


def _size_options() -> Iterator[tuple[str, Bounds]]:
    for low, high in zip((None, *SIZES), SIZES, strict=False):
        told = label("browser.up-to", size=short(high))
        yield (told if low is None else f"{short(low)} – {short(high)}"), (low, high)
    yield label("browser.above", size=short(SIZES[-1])), (SIZES[-1], None)


def _sort_label(name: str) -> str:
    return label(f"browser.{name}")


def _passes(preset: Preset, speculative: bool | None, text: str) -> bool:
    if speculative is not None and bool(preset.about.get("speculative")) is not speculative:
        return False
    words = text.lower().split()
    told = " ".join((preset.name, preset.description, str(preset.about), *preset.mixers)).lower()
    return all(word in told for word in words)


def _line(preset: Preset) -> str:
    size = short(preset.size) if preset.size else "–"
    return f"{preset.name} · {size} · {preset.tier}"


def _about(preset: Preset) -> str:
    about = preset.about
    papers = ", ".join(map(str, about.get("papers") or ()))
    facts = [(label("browser.tier"), preset.tier), (label("browser.level"), preset.level or "–")]
    told = " · ".join(f"{name} {value}" for name, value in facts)
    warned = "".join(f"<br>⚠ {escape(str(warning))}" for warning in about.get("warnings") or ())
    return (
        f"<p><b>{escape(preset.name)}</b> · {escape(told)}<br>{escape(preset.description)}"
        f"{f'<br>{escape(papers)}' if papers else ''}{warned}</p>"
    )


def _copies(preset: Preset) -> str:
    yaml = preset.source.text
    return copy_button("copy.yaml", yaml) + copy_button("copy.cell", f"%%eulerstack\n{yaml}")


def _page_of(name: str, preset: Preset | None) -> str:
    if preset is None:
        return ""
    if name == "yaml":
        return SpecText(preset.source).html()
    explanation = api.explain(preset.source)
    return explanation.drawing._repr_html_() if name == "picture" else explanation.tables()


def _comparison_html(comparisons: list[Comparison]) -> str:
    """Two or three specs: their quantities in one table, then each picture beside the first one's."""
    first, *_ = comparisons
    names = [first.sources[0].name, *(comparison.sources[1].name for comparison in comparisons)]
    rows = [
        (each[0].label, each[0].told[0], *(row.told[1] for row in each))
        for each in zip(*(comparison.rows for comparison in comparisons), strict=True)
    ]
    numbers = range(1, len(names) + 1)
    pictures = "".join(comparison.drawing._repr_html_() for comparison in comparisons)
    return f"{html_table(['', *names], rows, numbers=numbers)}{pictures}"
