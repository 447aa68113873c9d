"""A spec to edit: its YAML with every fault at its line, sliders, and what the model costs and looks like meanwhile."""

from collections.abc import Sequence
from html import escape
from typing import Any

import ipywidgets as w

from eulerstack import api, i18n
from eulerstack.diagnostics import Diagnostic, EulerStackError, Severity, Source, render
from eulerstack.drawing import Drawing, draw
from eulerstack.dsl import YAML_SUFFIXES, parse
from eulerstack.ir.cost import Cost, cost
from eulerstack.ir.fitting import fitting
from eulerstack.ir.nodes import Model
from eulerstack.results.cost_words import cost_facts, fit_facts
from eulerstack.results.shown import html_table, short
from eulerstack.results.spec_text import SpecText
from eulerstack.results.tissue_words import tissue_facts
from eulerstack.schema import Spec
from eulerstack.widgets.compiling import CompilePanel
from eulerstack.widgets.knobs import Knob, knobs, slider
from eulerstack.widgets.view import NOTHING, View, answering, button, dropdown, label, status, told
from eulerstack.widgets.yaml_edit import replaced

EDITED = "<editor>"
GPUS = (8, 12, 16, 24, 32, 40, 48, 80, 96, 141, 192)
"""Memory of the devices that can be chosen, in GB as they are sold."""

LINE_HEIGHT = 18
"""Pixels of a line of YAML, and of its number beside it."""

STYLE = f"""<style>
.eulerstack-yaml textarea {{ font-family: var(--jp-code-font-family, monospace); font-size: 13px;
  line-height: {LINE_HEIGHT}px; white-space: pre; overflow-x: auto; overflow-y: hidden;
  padding: 4px; margin: 0; resize: none }}
.eulerstack-yaml .eulerstack-lines {{ font-family: var(--jp-code-font-family, monospace); font-size: 13px;
  line-height: {LINE_HEIGHT}px; padding-top: 5px; text-align: right; opacity: .75; white-space: pre }}
.eulerstack-yaml .widget-html-content {{ line-height: {LINE_HEIGHT}px }}
</style>"""


class SpecEditor(View):
    """`SpecEditor("arch_beginner_llama")` in a notebook; takes whatever names a spec.

    `yaml` is the text as it stands, and can be set; `spec` the checked spec and `model` what it means: None while the
    text is wrong; `report` what validation found. Raises EulerStackError when there is no text to read.
    """

    def __init__(self, ref: api.Ref):
        super().__init__()
        self.source = api.source(ref)
        self.report, self.loaded = api.inspect(self.source)
        self.cost: Cost | None = None
        self.drawing: Drawing | None = None
        self.past: list[str] = [self.source.text]
        self.future: list[str] = []
        self._turning = False
        self.text = w.Textarea(value=self.source.text, layout={"flex": "1 1 auto", "min_width": "0"})
        self.text.tooltip = label("editor.yaml")
        self.lines, self.found, self.note = w.HTML(), w.HTML(), w.HTML()
        self.numbers, self.picture = w.HTML(), w.HTML()
        self.sliders: dict[str, w.SelectionSlider] = {}
        self.knob_box = w.VBox()
        self.gpu = dropdown("editor.gpu", [("–", NOTHING), *((f"{size} GB", size * 10**9) for size in GPUS)])
        self.unfold = w.Checkbox(description=label("editor.unfold"), indent=False)
        self.undo_button = button("editor.undo", lambda _: self.undo(), icon="undo")
        self.redo_button = button("editor.redo", lambda _: self.redo(), icon="repeat")
        self.file = w.Text(
            value=self.source.name if self.source.name.endswith(YAML_SUFFIXES) else "spec.yml",
            description=label("editor.file"), style={"description_width": "initial"}, layout={"width": "280px"},
        )  # fmt: skip
        self.save_button = button("editor.save", lambda _: self.save(), icon="save")
        self.panel = CompilePanel(lambda: self._source(), lambda: self.name)
        self._arrange()
        self._show()
        self.text.observe(self._typed, "value")
        self.gpu.observe(lambda _: self._costs(), "value")
        self.unfold.observe(lambda _: self._draw(), "value")

    def _arrange(self) -> None:
        written = w.HBox([self.lines, self.text], layout={"max_height": "560px", "overflow": "hidden auto"})
        written.add_class("eulerstack-yaml")
        tools = w.HBox([self.undo_button, self.redo_button, self.file, self.save_button])
        tools.layout.flex_flow = "row wrap"
        left = w.VBox([w.HTML(STYLE), tools, self.note, written, self.found])
        right = w.VBox([self.knob_box, w.HBox([self.gpu, self.unfold]), self.numbers, self.picture])
        for half in (left, right):
            half.layout.flex, half.layout.min_width = "1 1 480px", "0"
        both = w.HBox([left, right], layout={"flex_flow": "row wrap", "align_items": "flex-start"})
        self.children = (both, self.panel)

    @property
    def yaml(self) -> str:
        """The text as it stands."""
        return str(self.text.value)

    @yaml.setter
    def yaml(self, text: str) -> None:
        self.text.value = text

    @property
    def spec(self) -> Spec | None:
        """The checked spec; None while the text is wrong."""
        return self.loaded.spec if self.loaded else None

    @property
    def model(self) -> Model | None:
        """What the text means; None while it is wrong."""
        return self.loaded.model if self.loaded else None

    @property
    def name(self) -> str:
        """The model's name, or the text's while it is wrong."""
        return self.model.name if self.model else self.source.name.removesuffix(".yml")

    def _source(self) -> Source:
        """The text as a source in the place of the first one, so that `extends` finds the same files."""
        return Source(self.source.name if self.source.path else EDITED, self.yaml, path=self.source.path)

    @answering
    def _typed(self, change: dict[str, Any]) -> None:
        if change["new"] != self.past[-1]:
            self.past.append(change["new"])
            self.future.clear()
            self._show()

    @answering
    def undo(self) -> None:
        """Back to the text before the last change."""
        if len(self.past) > 1:
            self.future.append(self.past.pop())
            self.text.value = self.past[-1]
            self._show()

    @answering
    def redo(self) -> None:
        """Do again what was undone."""
        if self.future:
            self.past.append(self.future.pop())
            self.text.value = self.past[-1]
            self._show()

    @answering
    def save(self) -> None:
        """Write the text to the file that is named, replacing it."""
        try:
            api.write_text(self.file.value, self.yaml, overwrite=True)
        except EulerStackError as failure:
            self.note.value = told(failure)
        else:
            self.note.value = status(label("editor.saved", file=self.file.value))

    def _show(self) -> None:
        """Everything that follows from the text."""
        self.note.value = ""
        self.undo_button.disabled, self.redo_button.disabled = len(self.past) < 2, not self.future
        self.report, self.loaded = api.inspect(self._source())
        self.text.rows = max(self.yaml.count("\n") + 1, 4)
        self.text.layout.height = f"{LINE_HEIGHT * self.text.rows + 12}px"
        self.lines.value = _numbered(self.yaml, self.report.diagnostics)
        verdict = (
            f'<p role="status" aria-live="polite">{"✓" if self.report.ok else "✗"} {escape(self.report.summary)}</p>'
        )
        stale = "" if self.report.ok else status(label("editor.stale"))
        self.found.value = f"{verdict}{stale}{render.html(self.report.diagnostics)}"
        self.panel.button.disabled = not self.report.ok
        if self.loaded:
            self.cost = cost(self.loaded.model)
            self._costs()
            self._draw()
            self._turn(list(knobs(self.loaded.document.authored, self.loaded.model)))

    @answering
    def _costs(self) -> None:
        if not self.model or not self.cost:
            return
        params = self.cost.params
        sizes = f"{short(params.total)} ({params.total:,}) · {short(params.active)}"
        facts = [(f"{_explained('params')} · {_explained('active')}", sizes), *tissue_facts(self.model)]
        facts += cost_facts(self.cost)
        if self.gpu.value:
            facts += fit_facts(fitting(self.model, self.cost.workload, self.gpu.value))
        self.numbers.value = html_table([self.model.name, ""], facts)

    @answering
    def _draw(self) -> None:
        if self.model:
            self.drawing = draw(self.model, self.cost, unfolded=self.unfold.value)
            self.picture.value = self.drawing._repr_html_()

    def _turn(self, found: list[Knob]) -> None:
        """Set the sliders to what the text says; new ones only where the spec has others than before."""
        self._turning = True
        if [knob.name for knob in found] != list(self.sliders):
            self.sliders = {knob.name: slider(knob) for knob in found}
            for name, control in self.sliders.items():
                control.observe(lambda change, name=name: self._turned(name, change["new"]), "value")
            self.knob_box.children = tuple(self.sliders.values())
        for knob in found:
            control, options = self.sliders[knob.name], tuple((str(option), option) for option in knob.options)
            if control.options != options:
                control.options = options
            control.value = knob.value
        self._turning = False

    @answering
    def _turned(self, name: str, value: int) -> None:
        if self._turning or not self.loaded:
            return
        text = self.yaml
        known = knobs(self.loaded.document.authored, self.loaded.model)
        knob = next(knob for knob in known if knob.name == name)
        for path, new in knob.changes(value):
            text = replaced(text, parse(Source(EDITED, text)), path, new)
        self.text.value = text

    def html(self) -> str:
        """The YAML, what it costs, its picture."""
        text = SpecText(self._source()).html()
        return f'<div class="eulerstack">{text}{self.found.value}{self.numbers.value}{self.picture.value}</div>'


def _numbered(text: str, diagnostics: Sequence[Diagnostic]) -> str:
    """The numbers of the lines, with a mark at those that have a finding."""
    worst: dict[int, Severity] = {}
    for diagnostic in diagnostics:
        if diagnostic.span and worst.get(diagnostic.span.line) is not Severity.ERROR:
            worst[diagnostic.span.line] = diagnostic.severity
    numbers = (_number(line, worst.get(line)) for line in range(1, text.count("\n") + 2))
    return f'<div class="eulerstack-lines">{"<br>".join(numbers)}</div>'


def _number(line: int, severity: Severity | None) -> str:
    if severity is None:
        return str(line)
    sign, tone = ("✗", "#d9534f") if severity is Severity.ERROR else ("!", "#b8860b")
    return f'<b style="color:{tone}">{sign} {line}</b>'


def _explained(key: str) -> str:
    return i18n.text("explain", key)
