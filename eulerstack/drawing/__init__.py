"""The schedule as a picture."""

from eulerstack.drawing.layout import Drawing, NoLayoutEngineError, draw, draw_pair

__all__ = ["Drawing", "NoLayoutEngineError", "draw", "draw_pair"]
