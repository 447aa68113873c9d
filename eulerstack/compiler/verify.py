"""After writing: does the directory hold, by its files alone, the model that was asked for?"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eulerstack.compiler.runtime_files import runtime_files
from eulerstack.compiler.weights import INDEX_NAME, WEIGHTS_NAME, Tensor
from eulerstack.diagnostics import Reason, reason

LARGEST_HEADER = 100_000_000
"""Bytes: the limit of the safetensors library."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One entry of a safetensors header, and the file that it stands in."""

    filename: str
    shape: tuple[int, ...]
    tag: str


def faults(directory: Path, tensors: Iterable[Tensor], config: dict[str, Any]) -> Iterator[Reason | str]:
    """Each thing that is wrong with a compiled directory; none for a good one."""
    try:
        written = json.loads((directory / "config.json").read_text("utf-8"))
        stored = dict(_stored(directory))
    except (OSError, ValueError, KeyError, TypeError) as error:
        yield reason(error)
        return
    if written != json.loads(json.dumps(config)):
        yield Reason("other-config")
    yield from _tensor_faults(stored, tensors)
    for name, content in runtime_files().items():
        if not (directory / name).is_file() or (directory / name).read_bytes() != content:
            yield Reason("other-file", {"name": name})


def _tensor_faults(stored: dict[str, Stored], tensors: Iterable[Tensor]) -> Iterator[Reason]:
    expected = {tensor.name: tensor for tensor in tensors}
    for name in sorted(stored.keys() ^ expected.keys()):
        yield Reason("tensor-missing" if name in expected else "tensor-surplus", {"name": name})
    for name in sorted(stored.keys() & expected.keys()):
        found, wanted = (stored[name].shape, stored[name].tag), (expected[name].shape, expected[name].tag)
        if found != wanted:
            yield Reason("tensor-unlike", {"name": name, "found": _form(*found), "expected": _form(*wanted)})


def _form(shape: tuple[int, ...], tag: str) -> str:
    return f"{tag} {list(shape)}"


def _stored(directory: Path) -> Iterator[tuple[str, Stored]]:
    """Every tensor by its headers; raises ValueError where headers, sizes and index do not agree."""
    index = directory / INDEX_NAME
    where = json.loads(index.read_text("utf-8"))["weight_map"] if index.exists() else None
    for filename in sorted(set(where.values())) if where else [WEIGHTS_NAME]:
        for name, entry in read_header(directory / filename).items():
            if where and where.get(name) != filename:
                raise ValueError(Reason("index-wrong", {"index": INDEX_NAME, "name": name}))
            yield name, Stored(filename, tuple(entry["shape"]), entry["dtype"])


def read_header(path: Path) -> dict[str, Any]:
    """The entries of a safetensors file by tensor; raises ValueError if the file is not whole."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > LARGEST_HEADER:
            raise ValueError(Reason("no-header", {"name": path.name}))
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    end = 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        start, stop = entry["data_offsets"]
        if start != end:
            raise ValueError(Reason("gap", {"name": path.name, "tensor": name}))
        end = stop
    if path.stat().st_size != 8 + length + end:
        raise ValueError(Reason("cut-off", {"name": path.name}))
    return header
