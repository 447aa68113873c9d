"""EulerStack: an architecture description language for LLMs."""

__version__ = "0.1.5"
