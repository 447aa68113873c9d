"""The tensors of a safetensors checkpoint, in one file or in shards, read one at a time."""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from safetensors import SafetensorError, safe_open

from eulerstack.diagnostics import Reason, error, reason

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")
TYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
INTEGERS = ("I64", "I32")
ROWS = 4096
"""How many rows of two tables are compared at a time."""


class Checkpoint:
    """The tensors below one directory, by the names of the causal language model.

    `prefix` is what names lack in a checkpoint of the bare model; it is put in front where no name has it.
    """

    def __init__(self, directory: Path, prefix: str, head: str):
        self._stack = ExitStack()
        self._files: dict[str, Any] = {}
        self._where: dict[str, tuple[str, str]] = {}
        for path, names in _files(directory).items():
            self._files[path] = file = self._open(directory / path)
            held = set(file.keys())
            for name in held if names is None else names:
                if name not in held:
                    raise error(
                        "import-broken-weights", params={"path": path, "reason": Reason("not-inside", {"name": name})}
                    )
                self._where[name] = (path, name)
        if not any(name.startswith(prefix) for name in self._where):
            self._where = {name if name == head else prefix + name: place for name, place in self._where.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def __contains__(self, name: str) -> bool:
        return name in self._where

    def names(self) -> Iterator[str]:
        """All names."""
        return iter(self._where)

    def read(self, name: str) -> torch.Tensor:
        """The tensor as it is stored."""
        path, stored = self._where[name]
        return self._files[path].get_tensor(stored)

    def rows(self, name: str) -> int:
        """The first dimension."""
        return self._slice(name).get_shape()[0]

    def shape(self, name: str) -> tuple[int, ...]:
        """The stored shape, without reading the tensor."""
        return tuple(self._slice(name).get_shape())

    def dtype(self, name: str, *, integer: bool = False) -> str:
        """float32, float16 or bfloat16; of a table of integers int64. Raises CompileError for any other stored type."""
        stored = self._slice(name).get_dtype()
        if integer and stored in INTEGERS:
            return "int64"
        if integer or stored not in TYPES:
            raise error("import-tensor-type", params={"name": name, "found": stored})
        return TYPES[stored]

    def equal(self, a: str, b: str) -> bool:
        """Whether two matrices hold the same values, a few rows at a time."""
        first, second = self._slice(a), self._slice(b)
        if first.get_shape() != second.get_shape() or first.get_dtype() != second.get_dtype():
            return False
        return all(
            torch.equal(first[row : row + ROWS], second[row : row + ROWS]) for row in range(0, self.rows(a), ROWS)
        )

    def leftover(self, used: Iterable[str], ignored: Iterable[str]) -> list[str]:
        """Names that are neither used nor match a pattern of `ignored`."""
        patterns = [re.compile(pattern) for pattern in ignored]
        known = set(used)
        return sorted(name for name in self._where if name not in known and not any(p.search(name) for p in patterns))

    def _slice(self, name: str) -> Any:
        path, stored = self._where[name]
        return self._files[path].get_slice(stored)

    def _open(self, path: Path) -> Any:
        try:
            return self._stack.enter_context(safe_open(path, framework="pt"))
        except (OSError, SafetensorError) as failure:
            self._stack.close()
            told = reason(failure) if isinstance(failure, OSError) else Reason("not-safetensors")
            raise error("import-broken-weights", params={"path": str(path), "reason": told}) from failure


def has_weights(directory: Path) -> bool:
    """Whether there are safetensors to read."""
    return (directory / SINGLE).is_file() or (directory / INDEX).is_file()


def _files(directory: Path) -> dict[str, list[str] | None]:
    """File name → the tensors to take from it (None: all). A single file comes before an index, as in transformers."""
    if (directory / SINGLE).is_file():
        return {SINGLE: None}
    if (directory / INDEX).is_file():
        return _indexed(directory / INDEX)
    pickled = next((name for name in PICKLES if (directory / name).is_file()), None)
    if pickled:
        raise error("import-pickled-weights", params={"path": str(directory / pickled)})
    raise error("import-no-weights", params={"path": str(directory)})


def _indexed(path: Path) -> dict[str, list[str] | None]:
    try:
        weight_map = json.loads(path.read_text("utf-8"))["weight_map"]
        files: dict[str, list[str] | None] = {file: [] for file in weight_map.values()}
        for name, file in weight_map.items():
            if Path(file).name != file or not file.endswith(".safetensors"):
                raise ValueError(Reason("not-beside", {"name": file}))
            files[file].append(name)  # type: ignore[union-attr]
    except (OSError, ValueError, RecursionError) as failure:
        raise error("import-broken-weights", params={"path": str(path), "reason": reason(failure)}) from failure
    except (KeyError, TypeError, AttributeError) as failure:
        told = Reason("no-weight-map")
        raise error("import-broken-weights", params={"path": str(path), "reason": told}) from failure
    return files
