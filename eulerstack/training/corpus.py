"""Real text that every machine has: the sources of the Python standard library."""

import hashlib
import math
import os
import sysconfig
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

STANDARD_LIBRARY = "python-stdlib"
"""What this text is called where texts have names."""

HELD_OUT_EVERY = 16
LEFT_OUT = frozenset(
    {"site-packages", "dist-packages", "test", "tests", "idle_test", "encodings", "pydoc_data", "__pycache__"}
)


@dataclass(frozen=True, slots=True)
class Corpus:
    """Whole files, those to train on apart from those to judge by."""

    train: tuple[str, ...]
    held_out: tuple[str, ...]


def standard_library(limit: int = 4_000_000) -> Corpus:
    """About `limit` characters of the running Python's own sources, one of sixteen files held out.

    The order is fixed but mixes the modules: files are sorted by a hash of their name, so that a run that stops early
    has still seen all kinds of them. Tests, installed packages and generated tables are left out.
    """
    train: list[str] = []
    held_out: list[str] = []
    read = 0
    for index, path in enumerate(standard_library_files()):
        text = path.read_text("utf-8", errors="replace")
        (train if index % HELD_OUT_EVERY else held_out).append(text)
        read += len(text)
        if read >= limit:
            break
    return Corpus(tuple(train), tuple(held_out))


def standard_library_files() -> list[Path]:
    """The files of the standard library in the fixed order of `standard_library`."""
    root = Path(sysconfig.get_path("stdlib"))
    return [root / name for name in sorted(_modules(root), key=_mixed)]


def unigram_loss(train: Iterable[int], held_out: Iterable[int], vocab_size: int) -> float:
    """What knowing only how frequent each token is scores on the held-out tokens: cross-entropy in nats per token.

    Frequencies are those of `train`, each count raised by one. A model below this number has learned from context.
    """
    counts = Counter(train)
    seen = Counter(held_out)
    total = counts.total() + vocab_size
    return -sum(n * math.log((counts[token] + 1) / total) for token, n in seen.items()) / seen.total()


def _modules(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in LEFT_OUT]  # os.walk does not enter what is taken out here
        for file in files:
            if file.endswith(".py"):
                yield (Path(folder) / file).relative_to(root)


def _mixed(name: Path) -> bytes:
    return hashlib.sha256(name.as_posix().encode()).digest()
