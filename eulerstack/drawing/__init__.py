"""The schedule as a picture."""

from eulerstack.drawing.layout import Drawing, NoLayoutEngineError, draw

__all__ = ["Drawing", "NoLayoutEngineError", "draw"]
