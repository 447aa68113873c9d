"""Compile the spec of a view: where to, with which bar, and what came of it."""

from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Any

import ipywidgets as w

from eulerstack import api, i18n
from eulerstack.compiler import Progress
from eulerstack.diagnostics import EulerStackError
from eulerstack.results.compilation import Compilation
from eulerstack.widgets.view import View, answering, button, label, told


class CompilePanel(View):
    """A directory, a button, a bar. `result` is the last Compilation, or None. The work is done in a thread of its own,
    so that the notebook goes on.
    """

    def __init__(self, spec: Callable[[], api.Ref], name: Callable[[], str]):
        super().__init__()
        self.spec, self.name = spec, name
        self.result: Compilation | None = None
        self.worker: Thread | None = None
        wide = {"description_width": "initial"}
        self.directory = w.Text(description=label("compile.directory"), placeholder="models/…", style=wide)
        self.twin = w.Checkbox(description=label("compile.twin"), indent=False, layout={"width": "auto"})
        self.overwrite = w.Checkbox(description=label("compile.overwrite"), indent=False, layout={"width": "auto"})
        self.button = button("compile.run", lambda _: self.start(), icon="cogs", style="primary")
        self.bar = w.FloatProgress(min=0.0, max=1.0, layout={"display": "none"})
        self.outcome = w.HTML()
        controls = w.HBox([self.directory, self.twin, self.overwrite, self.button])
        controls.layout.flex_flow = "row wrap"
        self.children = (controls, self.bar, self.outcome)

    @answering
    def start(self) -> None:
        """Begin to compile, unless it is being done already."""
        if self.worker and self.worker.is_alive():
            return
        target = self.directory.value.strip() or f"models/{self.name()}"
        self.directory.value = target
        settings = {"twin": self.twin.value, "overwrite": self.overwrite.value}
        self.button.disabled, self.bar.value, self.outcome.value = True, 0.0, ""
        self.bar.layout.display = ""
        self.worker = Thread(target=self._work, args=(self.spec(), target, settings), daemon=True)
        self.worker.start()

    def _work(self, spec: api.Ref, target: str, settings: dict[str, Any]) -> None:
        with i18n.speaking(self.language):
            try:
                self.result = api.compile(spec, output_dir=target, progress=self._tell, **settings)
                self.outcome.value = self.result.html()
            except EulerStackError as failure:
                self.outcome.value = told(failure)
            finally:
                self.button.disabled, self.bar.layout.display = False, "none"

    def _tell(self, step: Progress) -> None:
        self.bar.description = i18n.text("cli", f"compile.stage.{step.stage}")
        if step.total:
            self.bar.value = step.done / step.total

    def wait(self) -> None:
        """Until the work under way is done."""
        with suppress(AttributeError):
            self.worker.join()  # type: ignore[union-attr]

    def html(self) -> str:
        """What was compiled, if anything was."""
        return str(self.outcome.value)
