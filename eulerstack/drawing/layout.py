"""From DOT to a picture: the system's `dot` where there is one, else pygraphviz's own, else the DOT text."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from html import escape
from pathlib import Path

from eulerstack.ir.nodes import Model
from eulerstack.records import dataclass

FORMATS = ("svg", "png", "dot")


class NoLayoutEngineError(RuntimeError):
    """Neither the system's `dot` nor pygraphviz can lay out a picture here."""


@dataclass(frozen=True)
class Drawing:
    """A picture of a model. In a notebook it shows itself as SVG."""

    name: str
    dot: str

    @cached_property
    def svg(self) -> str:
        """The picture as an `<svg>` element. Raises NoLayoutEngineError."""
        text = render(self.dot, "svg").decode()
        return re.sub(r"^.*?(?=<svg)", "", text, count=1, flags=re.DOTALL)

    def to_bytes(self, format: str) -> bytes:
        """The picture as `svg`, `png` or `dot`. Raises ValueError for another format, NoLayoutEngineError."""
        if format not in FORMATS:
            raise ValueError(f"{format!r} is not one of {', '.join(FORMATS)}")
        return self.dot.encode() if format == "dot" else render(self.dot, format)

    def write(self, path: str | Path) -> None:
        """Write the picture in the format that the file's ending names. Raises as `to_bytes`, and OSError."""
        path = Path(path)
        path.write_bytes(self.to_bytes(path.suffix.lstrip(".").lower()))

    def _repr_html_(self) -> str:
        try:
            return f'<div style="overflow-x:auto" role="img" aria-label="{escape(self.name)}">{self.svg}</div>'
        except NoLayoutEngineError:
            return f"<pre>{escape(self.dot)}</pre>"

    def __str__(self) -> str:
        return self.dot


def draw(model: Model) -> Drawing:
    """The schedule of a model as a picture."""
    from eulerstack.drawing.dot import to_dot  # `explain` needs no graphviz until somebody looks at the picture

    return Drawing(name=model.name, dot=to_dot(model))


def render(dot: str, format: str) -> bytes:
    """Lay out DOT as `svg` or `png`. Raises NoLayoutEngineError where nothing can."""
    if shutil.which("dot"):
        import graphviz

        return graphviz.Source(dot).pipe(format=format)
    try:
        import pygraphviz
    except ImportError as missing:
        raise NoLayoutEngineError("neither Graphviz' dot nor the pygraphviz package is installed") from missing
    with _silent_stderr():
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
