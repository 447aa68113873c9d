"""From DOT to a picture: the system's `dot` where there is one, else pygraphviz's own, else the DOT text."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from html import escape
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from eulerstack.drawing.compact import compact
from eulerstack.ir.nodes import Model
from eulerstack.records import dataclass

if TYPE_CHECKING:
    from eulerstack.ir.cost import Cost

FORMATS = ("svg", "png", "dot")


class NoLayoutEngineError(RuntimeError):
    """Neither the system's `dot` nor pygraphviz can lay out a picture here."""


@dataclass(frozen=True)
class Drawing:
    """A picture of a model. In a notebook it shows itself as SVG."""

    name: str
    dot: str
    outline: str = ""
    """What it shows, in words: its alternative text."""
    folds: bool = False
    """Whether repeats are folded in it."""

    @cached_property
    def svg(self) -> str:
        """The picture as an `<svg>` element. Raises NoLayoutEngineError."""
        text = render(self.dot, "svg").decode()
        return compact(text[text.index("<svg") :]).replace(
            "<svg", f'<svg role="img" aria-label="{escape(self.outline or self.name)}"', 1
        )

    def to_bytes(self, format: str) -> bytes:
        """The picture as `svg`, `png` or `dot`. Raises ValueError for another format, NoLayoutEngineError."""
        if format not in FORMATS:
            raise ValueError(f"{format!r} is not one of {', '.join(FORMATS)}")
        return self.dot.encode() if format == "dot" else render(self.dot, format)

    def write(self, path: str | Path) -> None:
        """Write the picture in the format that the file's ending names. Raises as `to_bytes`, and OSError."""
        path = Path(path)
        path.write_bytes(self.to_bytes(path.suffix.lstrip(".").lower()))

    @property
    def inline(self) -> str:
        """The picture as HTML; nothing where nothing can lay it out."""
        try:
            return f'<div style="overflow-x:auto">{self.svg}</div>'
        except NoLayoutEngineError:
            return ""

    def _repr_html_(self) -> str:
        return self.inline or f"<pre>{escape(self.dot)}</pre>"

    def __str__(self) -> str:
        return self.dot


def draw(model: Model, cost: "Cost | None" = None, *, unfolded: bool = False) -> Drawing:
    """The schedule of a model as a picture, its repeats folded or not. `cost`: what it costs, where that is known."""
    from eulerstack.drawing.dot import outline, repeats, to_dot  # graphviz is loaded when somebody looks at a picture

    folds = not unfolded and repeats(model.schedule)
    return Drawing(name=model.name, dot=to_dot(model, cost, unfolded=unfolded), outline=outline(model), folds=folds)


def draw_pair(
    before: Model, after: Model, costs: "tuple[Cost, Cost] | None" = None, *, unfolded: bool = False
) -> Drawing:
    """Two models side by side, what differs marked, their repeats folded or not."""
    from eulerstack.drawing.dot import outline, pair_to_dot, repeats

    words = f"{outline(before)} | {outline(after)}"
    dot = pair_to_dot(before, after, costs, unfolded=unfolded)
    folds = not unfolded and any(repeats(model.schedule) for model in (before, after))
    return Drawing(name=f"{before.name} | {after.name}", dot=dot, outline=words, folds=folds)


_one_layout = Lock()
"""Graphviz' libraries are not safe for threads, and a notebook's widgets are called in threads."""


def render(dot: str, format: str) -> bytes:
    """Lay out DOT as `svg` or `png`. Raises NoLayoutEngineError where nothing can."""
    if shutil.which("dot"):
        import graphviz

        return graphviz.Source(dot).pipe(format=format)
    try:
        import pygraphviz
    except ImportError as missing:
        raise NoLayoutEngineError("neither Graphviz' dot nor the pygraphviz package is installed") from missing
    with _one_layout, _silent_stderr():
        return pygraphviz.AGraph(string=dot).draw(format=format, prog="dot")


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Keep the layout library's own fontconfig, which grumbles about systems' newer files, off the terminal."""
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
