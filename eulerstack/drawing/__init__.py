"""The schedule as a picture."""

from eulerstack.drawing.dot import to_dot
from eulerstack.drawing.layout import Drawing, NoLayoutEngineError, draw

__all__ = ["Drawing", "NoLayoutEngineError", "draw", "to_dot"]
