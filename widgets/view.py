"""What all widgets have in common: a language, a static form, controls with labels.

Only ipywidgets' own controls are used: other widgets' code is fetched from the network by some notebooks. A callback
may run in another thread than the cell that made the widget, so each view holds a lock while it answers.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable
from functools import wraps
from html import escape
from threading import RLock
from typing import Any, TypeVar, cast

import ipywidgets as w
from IPython.display import DisplayHandle, display

from eulerstack import i18n
from eulerstack.diagnostics import EulerStackError, render

WIDGET = "application/vnd.jupyter.widget-view+json"
Method = TypeVar("Method", bound=Callable[..., None])


class View(w.VBox):
    """A widget made of controls. It speaks the language that it was made in, and has a static HTML form."""

    def __init__(self) -> None:
        super().__init__()
        self.language = i18n.language()
        self.lock = RLock()

    @abstractmethod
    def html(self) -> str:
        """What an exported notebook, or a reader without a kernel, sees."""

    def _repr_mimebundle_(self, **settings: Any) -> dict[str, Any]:
        with i18n.speaking(self.language):
            static = self.html()
        return {**super()._repr_mimebundle_(**settings), "text/html": static}


class KeptView(View):
    """A view whose static form is an output of its own, and can be brought up to date: what it shows goes on changing.

    `subject` is what it is about, in a word, where a reader has but text.
    """

    def __init__(self, subject: str) -> None:
        super().__init__()
        self.subject = subject
        self.shown: DisplayHandle | None = None
        self.mark = f"eulerstack-{self.model_id}"
        self.add_class(self.mark)

    def _ipython_display_(self) -> None:
        """The controls, and as an output of its own the static form: where a notebook is opened again, JupyterLab shows
        an error in the place of controls whose kernel is gone, whatever else that output has.
        """
        if self.comm is not None:
            display({WIDGET: self._repr_mimebundle_()[WIDGET]}, raw=True)
        if self.shown is None:
            self.shown = DisplayHandle()
        display(self._static(), raw=True, display_id=self.shown.display_id)

    def keep(self) -> None:
        """Let the static form that notebooks save be that of now, not that of when the cell was run."""
        with self.lock:
            if self.shown is not None:
                self.shown.update(self._static(), raw=True)

    def _static(self) -> dict[str, str]:
        """Hidden while the controls are there; where they are not, the error in their place is hidden."""
        live, static = f".{self.mark}", f".{self.mark}-static"
        output = ".jp-OutputArea-child"
        style = f"body:has({live}) {static}, {output}:not(:has({live})):has(+ {output} {static}) {{ display: none }}"
        with i18n.speaking(self.language):
            page = f'<style>{style}</style><div class="{static[1:]}">{self.html()}</div>'
        return {"text/html": page, "text/plain": f"{type(self).__name__}({self.subject})"}


def answering(method: Method) -> Method:
    """A view's callback: one at a time, in the view's language."""

    @wraps(method)
    def answer(view: View, *args: Any) -> None:
        with view.lock, i18n.speaking(view.language):
            method(view, *args)

    return cast(Method, answer)


def label(key: str, **params: object) -> str:
    """A widget's text in the current language."""
    return i18n.text("widgets", key, **params)


NOTHING = ""
"""What a choice has that chooses nothing: ipywidgets shows no option whose value is None."""


def dropdown(key: str, options: Iterable[tuple[str, Any]], width: str = "210px") -> w.Dropdown:
    """A choice that begins with the first of its options."""
    listed = list(options)
    return w.Dropdown(
        description=label(key), options=listed, value=listed[0][1], style={"description_width": "initial"},
        layout={"width": width},
    )  # fmt: skip


def button(key: str, pressed: Callable[[Any], None], *, icon: str = "", style: str = "") -> w.Button:
    """A button that is as wide as its text."""
    made = w.Button(description=label(key), icon=icon, button_style=style, layout={"width": "auto"})
    made.on_click(pressed)
    return made


def told(failure: EulerStackError) -> str:
    """A wrong spec or call as HTML: the three lines and the place."""
    return render.html(failure.diagnostics)


def status(text: str) -> str:
    """A line that screen readers announce when it changes."""
    return f'<div role="status" aria-live="polite">{escape(text)}</div>'
