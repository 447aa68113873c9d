"""Initial weights, written to safetensors files in one stream: no torch, no model, one block in memory per thread.

A tensor is cut into blocks of `BLOCK` elements. Block b of tensor n under seed s is drawn from its own SFC64 generator,
seeded with (s, blake2b(n), b), always in float32 and rounded to the stored type afterwards. So the bytes of a tensor
depend on nothing but seed, name, shape, law and type: not on the shard size, the number of threads or its neighbours,
and a bfloat16 model is the float32 model, rounded.
"""

import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

BLOCK = 1 << 22
"""Elements per block: the unit of determinism, so changing it changes every model's initial weights."""

CHUNK = 1 << 16
"""Elements drawn and rounded at a time, small enough to stay in a core's cache."""

MAX_SHARD_SIZE = 50 * 10**9
"""Bytes per file: the default of transformers 5's `save_pretrained(max_shard_size="50GB")`."""

MAX_THREADS = 8
WEIGHTS_NAME = "model.safetensors"
INDEX_NAME = "model.safetensors.index.json"

_TAGS = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
_STORED = {"float32": "<f4", "float16": "<f2", "bfloat16": "<u2"}
_WIDTH = {"float32": 4, "float16": 2, "bfloat16": 2}

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


def drawn(seed: int, threads: int | None = None) -> Stream:
    """The stream of initial values under `seed`, drawn by as many threads as there are CPUs, at most `MAX_THREADS`."""
    return partial(_draw_ahead, seed, threads or _usable_cpus())


def _draw_ahead(seed: int, threads: int, tensors: Sequence[Tensor]) -> Iterator["np.ndarray"]:
    """Every block of every tensor in order, one per thread drawn ahead."""
    ahead: deque[Future[np.ndarray]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for tensor in tensors:
                for block in range(-(-tensor.count // BLOCK)):
                    ahead.append(pool.submit(draw_block, tensor, block, seed))
                    if len(ahead) > threads:
                        yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()


def draw_block(tensor: Tensor, block: int, seed: int) -> "np.ndarray":
    """Block `block` of a tensor in its stored type (bfloat16 as uint16), little-endian, one-dimensional."""
    import numpy as np

    count = min(BLOCK, tensor.count - block * BLOCK)
    fill = _filler(tensor.law, _generator(seed, tensor.name, block))
    values = np.empty(min(CHUNK, count), np.float32)
    stored = np.empty(count, _STORED[tensor.dtype])
    for start in range(0, count, CHUNK):
        chunk = values[: min(CHUNK, count - start)]
        fill(chunk)
        target = stored[start : start + len(chunk)]
        target[...] = round_to_bfloat16(chunk) if tensor.dtype == "bfloat16" else chunk
    return stored


def _generator(seed: int, name: str, block: int) -> "np.random.Generator":
    import numpy as np

    named = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=16).digest(), "little")
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence([seed, named, block])))


def _filler(law: Law, generator: "np.random.Generator") -> Callable[["np.ndarray"], None]:
    """What fills a float32 buffer with the law's next values."""
    import numpy as np

    def normal(out: np.ndarray) -> None:
        generator.standard_normal(out=out, dtype=np.float32)
        out *= np.float32(law["std"])

    def uniform(out: np.ndarray) -> None:
        generator.random(out=out, dtype=np.float32)
        out *= np.float32(law["high"] - law["low"])
        out += np.float32(law["low"])

    match law["law"]:
        case "normal":
            return normal
        case "uniform":
            return uniform
        case "zeros":
            return lambda out: out.fill(0)
        case "ones":
            return lambda out: out.fill(1)
        case "constant":
            return lambda out: out.fill(law["value"])
        case other:
            raise ValueError(f"the weight writer does not know the law {other!r}")


def round_to_bfloat16(values: "np.ndarray") -> "np.ndarray":
    """The upper halves of finite float32 values, rounded to nearest, ties to even; `values` is used up."""
    import numpy as np

    bits = values.view(np.uint32)
    carry = bits >> 16
    carry &= 1
    carry += 0x7FFF
    bits += carry
    bits >>= 16
    return bits


def _usable_cpus() -> int:
    """How many threads draw: the CPUs that this process may use, at most `MAX_THREADS`."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, MAX_THREADS)
