"""Weights as safetensors files, written in one stream: the header first, then value after value, no model in memory."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

MAX_SHARD_SIZE = 50 * 10**9
"""Bytes per file: the default of transformers 5's `save_pretrained(max_shard_size="50GB")`."""

WEIGHTS_NAME = "model.safetensors"
INDEX_NAME = "model.safetensors.index.json"

_TAGS = {"float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64"}
_WIDTH = {"float32": 4, "float16": 2, "bfloat16": 2, "int64": 8}

Law = Mapping[str, Any]
Stream = Callable[[Sequence["Tensor"]], Iterator["np.ndarray"]]
"""Turns the tensors of a file into their values: contiguous little-endian arrays that, one after the other, are the
file's data (bfloat16 as uint16)."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor to write: full state_dict name, shape, initialisation law, stored type."""

    name: str
    shape: tuple[int, ...]
    law: Law
    dtype: str

    @property
    def count(self) -> int:
        """How many elements."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes on disk."""
        return self.count * _WIDTH[self.dtype]

    @property
    def tag(self) -> str:
        """The type's name in a safetensors header."""
        return _TAGS[self.dtype]


@dataclass(frozen=True, slots=True)
class Shard:
    """One safetensors file and the tensors in it, in the order of their bytes."""

    filename: str
    tensors: tuple[Tensor, ...]

    def header(self) -> bytes:
        """Eight bytes of length and the JSON header, padded with spaces so that the data starts at a multiple of 8."""
        entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
        offset = 0
        for tensor in self.tensors:
            end = offset + tensor.nbytes
            entries[tensor.name] = {"dtype": tensor.tag, "shape": list(tensor.shape), "data_offsets": [offset, end]}
            offset = end
        text = json.dumps(entries, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        return len(text).to_bytes(8, "little") + text


def plan(tensors: Iterable[Tensor], max_shard_size: int = MAX_SHARD_SIZE) -> tuple[Shard, ...]:
    """Split tensors into files exactly as `huggingface_hub.split_torch_state_dict_into_shards` does.

    Within a file the wider types come first, so that every tensor starts at a multiple of its element size.
    """
    groups: list[list[Tensor]] = []
    current: list[Tensor] = []
    size = 0
    for tensor in tensors:
        if tensor.nbytes > max_shard_size:
            groups.append([tensor])
            continue
        if size + tensor.nbytes > max_shard_size:
            groups.append(current)
            current, size = [], 0
        current.append(tensor)
        size += tensor.nbytes
    if current:
        groups.append(current)
    names = [WEIGHTS_NAME] if len(groups) == 1 else [_shard_name(i, len(groups)) for i in range(1, len(groups) + 1)]
    return tuple(
        Shard(name, tuple(sorted(group, key=lambda tensor: -_WIDTH[tensor.dtype])))
        for name, group in zip(names, groups, strict=True)
    )


def _shard_name(number: int, total: int) -> str:
    return f"model-{number:05d}-of-{total:05d}.safetensors"


def index_of(shards: tuple[Shard, ...]) -> dict[str, Any] | None:
    """The content of model.safetensors.index.json, or None for a single file."""
    if len(shards) == 1:
        return None
    tensors = [tensor for shard in shards for tensor in shard.tensors]
    return {
        "metadata": {
            "total_parameters": sum(tensor.count for tensor in tensors),
            "total_size": sum(tensor.nbytes for tensor in tensors),
        },
        "weight_map": {tensor.name: shard.filename for shard in shards for tensor in shard.tensors},
    }


def bytes_needed(shards: Iterable[Shard]) -> int:
    """What all files together take on disk."""
    return sum(len(shard.header()) + sum(tensor.nbytes for tensor in shard.tensors) for shard in shards)


def write(
    shards: Iterable[Shard], directory: Path, stream: Stream, *, advance: Callable[[int], None] | None = None
) -> None:
    """Write every shard into `directory`, and the index if there are several.

    `stream` gives the values of each file; `advance` is called with the number of bytes just written. Raises OSError.
    """
    shards = tuple(shards)
    for shard in shards:
        with open(directory / shard.filename, "xb") as out:
            out.write(shard.header())
            for values in stream(shard.tensors):
                out.write(values.data)
                if advance:
                    advance(values.nbytes)
    index = index_of(shards)
    if index is not None:
        (directory / INDEX_NAME).write_text(json.dumps(index, indent=2, sort_keys=True) + "\n", "utf-8")
