"""A prompt against a compiled or trained model: the text as it is written, its phases, what the model held likely at
each place, and what its cache weighs.
"""

import time
from html import escape
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any

import ipywidgets as w

from eulerstack import api
from eulerstack.diagnostics import EulerStackError, error, unexpected
from eulerstack.ir.print import SPEC_FILE
from eulerstack.results.shown import size
from eulerstack.runs import compiled_directory
from eulerstack.training.loop.directory import RunDirectory
from eulerstack.training.writer import Sampling, Token, Writer
from eulerstack.widgets.charts import COLORS, Curve, curves_svg, swatch
from eulerstack.widgets.view import KeptView, answering, button, label, status, told

PERIOD = 0.1
"""Seconds between two looks at what is being written."""

PROMPT = "def "
MOST = 512
WIDE = {"description_width": "initial"}
BAR = 160
"""Pixels of a probability of 1."""


class Playground(KeptView):
    """`Playground(DIR)`: a compiled directory, a run directory (its best model, else its last), or a spec, which is
    compiled aside, `twin` as its tiny twin.

    `tokens` is what was written last, `text` the same as text. Raises ValidationError where the directory has no model
    or no tokenizer, and what `compile` raises for a spec.
    """

    def __init__(self, ref: api.Ref, *, twin: bool = False):
        self.writer, self.name = _opened(ref, twin)
        super().__init__(self.name)
        self.tokens: list[Token] = []
        self.seconds = 0.0
        self.ended = Event()
        self.worker: Thread | None = None
        self.prompt = w.Textarea(value=PROMPT, description=label("play.prompt"), style=WIDE, layout={"width": "98%"})
        longest = min(MOST, self.writer.longest - 1)
        self.settings = {
            "new_tokens": _slider(w.IntSlider, "new-tokens", min(128, longest), 1, longest, 1),
            "temperature": _slider(w.FloatSlider, "temperature", 0.7, 0.0, 2.0, 0.05),
            "top_k": _slider(w.IntSlider, "top-k", 40, 0, 200, 1),
            "top_p": _slider(w.FloatSlider, "top-p", 1.0, 0.05, 1.0, 0.05),
            "seed": w.BoundedIntText(0, min=0, max=2**31, description=label("play.seed"), layout={"width": "160px"}),
        }
        self.write = button("play.write", lambda _: self.start(), icon="play", style="primary")
        self.stop = button("play.stop", lambda _: self.ended.set(), icon="stop")
        self.stop.disabled = True
        self.page, self.note, self.place_page = w.HTML(), w.HTML(), w.HTML()
        self.place = _slider(w.IntSlider, "place", 1, 1, 1, 1)
        self.place.disabled = True
        self.place.observe(self._looked, "value")
        wrapped = {"flex_flow": "row wrap"}
        self.children = (
            self.prompt,
            w.HBox([*self.settings.values()], layout=wrapped),
            w.HBox([self.write, self.stop], layout=wrapped),
            self.note,
            self.page,
            self.place,
            self.place_page,
        )
        self._show(False)

    @property
    def text(self) -> str:
        """What was written last."""
        return self.writer.text([token.id for token in self.tokens])

    @answering
    def start(self) -> None:
        """Begin to write, unless it is being done already."""
        if self.worker and self.worker.is_alive():
            return
        self.tokens, self.seconds, self.ended = [], 0.0, Event()
        sampling = Sampling(**{key: control.value for key, control in self.settings.items()})
        self._show(True)
        self.worker = Thread(target=self._work, args=(self.prompt.value, sampling), daemon=True)
        self.worker.start()

    def wait(self) -> None:
        """Until what is being written is done."""
        if self.worker:
            self.worker.join()

    def close(self) -> None:
        """Write no more, and take the controls away."""
        self.ended.set()
        super().close()

    def _work(self, prompt: str, sampling: Sampling) -> None:
        began, due = time.monotonic(), 0.0

        def heard(token: Token) -> None:
            nonlocal due
            self.tokens.append(token)
            self.seconds = time.monotonic() - began
            if self.seconds >= due:
                due = self.seconds + PERIOD
                self._show(True)

        failure: EulerStackError | None = None
        try:
            self.writer.write(prompt, sampling, report=heard, stop=self.ended)
        except EulerStackError as known:
            failure = known
        except Exception as unknown:  # memory, or a model that was changed by hand
            failure = error("generation-failed", params={"reason": unexpected(unknown)})
        self._show(False, failure)
        self.keep()

    @answering
    def _show(self, at_work: bool, failure: EulerStackError | None = None) -> None:
        self.write.disabled, self.stop.disabled = at_work, not at_work
        self.note.value = told(failure) if failure else status(self._facts(at_work))
        self.page.value = self._text() + self._cache()
        self.place.disabled = at_work or not self.tokens
        if self.tokens:
            self.place.max = self.place.value = len(self.tokens)
        self.place_page.value = self._likely()

    @answering
    def _looked(self, _: dict[str, Any]) -> None:
        self.place_page.value = self._likely()

    def _facts(self, at_work: bool) -> str:
        if not self.tokens:
            return label("play.at-work" if at_work else "play.ready", name=self.name)
        facts = {
            "tokens": len(self.tokens),
            "speed": f"{len(self.tokens) / max(self.seconds, 1e-9):,.0f}",
            "cache": size(self.tokens[-1].cache_bytes),
        }
        return f"{self.name} · {label('play.written', **facts)}"

    def _text(self) -> str:
        """The prompt, then the text in the colours of its phases, and what the colours mean."""
        parts = [f'<span style="opacity:0.6">{escape(self.prompt.value)}</span>']
        for phase, run in groupby(self.tokens, key=lambda token: token.phase):
            written = escape(self.writer.text([token.id for token in run], special=True))
            parts.append(f'<span style="{_ink(phase)}">{written}</span>')
        frame = "white-space:pre-wrap;overflow-wrap:anywhere;border-left:3px solid gray;padding:2px 10px;margin:4px 0"
        return f'<div style="{frame};font-family:monospace">{"".join(parts)}</div>{self._legend()}'

    def _legend(self) -> str:
        parts = []
        for index, (name, budget) in enumerate(self.writer.phases):
            count = sum(token.phase == index for token in self.tokens)
            parts.append(f"{swatch(index)} {escape(name)} {count} / {budget}")
        return f"<div>{' &nbsp; '.join(parts)}</div>"

    def _cache(self) -> str:
        """The cache's size while the text grew."""
        if len(self.tokens) < 2:
            return ""
        points = [(place, token.cache_bytes / 1024) for place, token in enumerate(self.tokens, 1)]
        return curves_svg(label("play.cache"), [Curve(name=self.name, points=points)], step=label("play.step"))

    def _likely(self) -> str:
        """The likeliest tokens at the place that is looked at, the one that was drawn marked."""
        if not self.tokens:
            return ""
        token = self.tokens[min(self.place.value, len(self.tokens)) - 1]
        rows = list(token.likely)
        if token.id not in dict(rows):
            rows.append((token.id, token.probability))
        bars = "".join(self._bar(id_, probability, drawn=id_ == token.id) for id_, probability in rows)
        return f"<div><b>{escape(label('play.likely'))}</b></div><table>{bars}</table>"

    def _bar(self, token_id: int, probability: float, *, drawn: bool) -> str:
        word = escape(self.writer.word(token_id))
        color, mark = (COLORS[1], f"◀ {escape(label('play.drawn'))}") if drawn else (COLORS[0], "")
        bar = f'<div style="background:{color};height:10px;width:{max(1, round(BAR * probability))}px"></div>'
        name = f'<td style="font-family:monospace;text-align:right;white-space:pre">{word}</td>'
        cells = f"{name}<td>{bar}</td><td>{probability:.1%} {mark}</td>"
        return f"<tr>{cells}</tr>"

    def html(self) -> str:
        """The text, the cache and the last look, as they are now."""
        facts = escape(self._facts(at_work=False))
        return f'<div class="eulerstack"><p>{facts}</p>{self._text()}{self._cache()}{self._likely()}</div>'


def _opened(ref: api.Ref, twin: bool) -> tuple[Writer, str]:
    """The writer of what `ref` names, and a name for it."""
    if isinstance(ref, (str, Path)) and "\n" not in str(ref) and RunDirectory(ref).exists:
        run = RunDirectory(ref)
        model = next((place for place in (run.best, run.last) if place.is_dir()), run.settings().model)
        return Writer(model), run.path.name
    compiled = compiled_directory(ref)
    if compiled and not twin:
        return Writer(compiled), compiled.resolve().name
    with TemporaryDirectory(prefix="eulerstack-playground-") as parent:
        directory = Path(parent) / "model"
        spec = api.source(ref) if compiled is None else api.source(compiled / SPEC_FILE)
        api.compile(spec, output_dir=directory, twin=twin)
        return Writer(directory), f"{api.load(spec).model.name}{'-tiny' if twin else ''}"


def _slider(kind: type, key: str, value: float, least: float, most: float, step: float) -> Any:
    made = kind(value, min=least, max=most, step=step, description=label(f"play.{key}"), style=WIDE)
    made.layout.width = "380px"
    made.continuous_update = key == "place"
    return made


def _ink(phase: int | None) -> str:
    """A tint behind the theme's own ink, which keeps its contrast in light and dark."""
    return "" if phase is None else f"background:{COLORS[phase % len(COLORS)]}40"
