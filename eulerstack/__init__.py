"""EulerStack: an architecture description language for LLMs.

The public names are loaded when they are first used: `import eulerstack` loads neither torch nor transformers.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from eulerstack.api import (
        compare,
        compile,
        diff,
        draw,
        explain,
        import_model,
        load,
        register,
        shrink,
        train,
        validate,
        watch,
    )

__version__ = "0.1.5"

__all__ = [
    "__version__",
    "compare",
    "compile",
    "diff",
    "draw",
    "explain",
    "import_model",
    "load",
    "register",
    "shrink",
    "train",
    "validate",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from eulerstack import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load_ipython_extension(shell: "InteractiveShell") -> None:
    """`%load_ext eulerstack`: add the magics."""
    from eulerstack import magics

    magics.load(shell)


def unload_ipython_extension(shell: "InteractiveShell") -> None:
    """`%unload_ext eulerstack`: take them out again."""
    from eulerstack import magics

    magics.unload(shell)
