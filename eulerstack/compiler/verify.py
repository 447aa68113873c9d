"""After writing: does the directory hold, by its files alone, the model that was asked for?"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eulerstack.compiler.runtime_files import runtime_files
from eulerstack.compiler.weights import INDEX_NAME, WEIGHTS_NAME, Tensor

LARGEST_HEADER = 100_000_000
"""Bytes: the limit of the safetensors library."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One entry of a safetensors header, and the file that it stands in."""

    filename: str
    shape: tuple[int, ...]
    tag: str


def faults(directory: Path, tensors: Iterable[Tensor], config: dict[str, Any]) -> Iterator[str]:
    """Each thing that is wrong with a compiled directory, in English; none for a good one."""
    try:
        written = json.loads((directory / "config.json").read_text("utf-8"))
        stored = dict(_stored(directory))
    except (OSError, ValueError, KeyError, TypeError) as error:
        yield str(error)
        return
    if written != json.loads(json.dumps(config)):
        yield "config.json does not hold the configuration"
    yield from _tensor_faults(stored, tensors)
    for name, content in runtime_files().items():
        if not (directory / name).is_file() or (directory / name).read_bytes() != content:
            yield f"{name} is not the runtime's file"


def _tensor_faults(stored: dict[str, Stored], tensors: Iterable[Tensor]) -> Iterator[str]:
    expected = {tensor.name: tensor for tensor in tensors}
    for name in sorted(stored.keys() ^ expected.keys()):
        yield f"{name} is {'missing' if name in expected else 'not part of the model'}"
    for name in sorted(stored.keys() & expected.keys()):
        found, wanted = (stored[name].shape, stored[name].tag), (expected[name].shape, expected[name].tag)
        if found != wanted:
            yield f"{name} is {found[1]} {list(found[0])}, not {wanted[1]} {list(wanted[0])}"


def _stored(directory: Path) -> Iterator[tuple[str, Stored]]:
    """Every tensor by its headers; raises ValueError where headers, sizes and index do not agree."""
    index = directory / INDEX_NAME
    where = json.loads(index.read_text("utf-8"))["weight_map"] if index.exists() else None
    for filename in sorted(set(where.values())) if where else [WEIGHTS_NAME]:
        for name, entry in read_header(directory / filename).items():
            if where and where.get(name) != filename:
                raise ValueError(f"{INDEX_NAME} does not lead to {name}")
            yield name, Stored(filename, tuple(entry["shape"]), entry["dtype"])


def read_header(path: Path) -> dict[str, Any]:
    """The entries of a safetensors file by tensor; raises ValueError if the file is not whole."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > LARGEST_HEADER:
            raise ValueError(f"{path.name} has no safetensors header")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    end = 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        start, stop = entry["data_offsets"]
        if start != end:
            raise ValueError(f"{path.name} has a gap before {name}")
        end = stop
    if path.stat().st_size != 8 + length + end:
        raise ValueError(f"{path.name} is cut off")
    return header
