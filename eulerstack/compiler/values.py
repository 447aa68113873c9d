"""Initial values: each tensor's law, drawn block by block, without torch.

A tensor is cut into blocks of `BLOCK` elements. Block b of tensor n under seed s is drawn from an SFC64 stream of its
own, seeded with (s, blake2b(n), b), in float32, and rounded to the stored type afterwards. So the bytes of a tensor
depend on nothing but seed, name, shape, law and type: not on the shard size, the number of threads, its neighbours or
numpy's version, and a bfloat16 model is the float32 model, rounded.
"""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache, lru_cache, partial
from math import gcd, log
from statistics import NormalDist
from typing import TYPE_CHECKING

from eulerstack.compiler.weights import Law, Stream, Tensor

if TYPE_CHECKING:
    import numpy as np

BLOCK = 1 << 22
"""Elements per block: the unit of determinism, so changing it changes every model's initial weights."""

CHUNK = 1 << 16
"""Elements drawn and rounded at a time, small enough to stay in a core's cache; part of the determinism too."""

MAX_THREADS = 8

BETWEEN = 1 / 16
"""The width of the uniform part of a normal value, in σ."""

WIDEST = 8
"""Bytes of the widest stored type."""

_STORED = {"float32": "<f4", "float16": "<f2", "bfloat16": "<u2", "int64": "<i8"}

Fill = Callable[["np.ndarray"], None]
"""Fills a float32 buffer with the next values of a law."""


def drawn(seed: int, threads: int | None = None) -> Stream:
    """The stream of initial values under `seed`, drawn by as many threads as there are CPUs, at most `MAX_THREADS`.

    An array is good until the next one is asked for: its memory is then drawn into again.
    """
    return partial(_draw_ahead, seed, threads or _usable_cpus())


def _draw_ahead(seed: int, threads: int, tensors: Sequence[Tensor]) -> Iterator["np.ndarray"]:
    """Every block of every tensor in order, one per thread drawn ahead.

    All are drawn into the same few buffers: fresh ones would be given back to the system block by block, which costs a
    third of the drawing.
    """
    import numpy as np

    ahead: deque[tuple[Future[np.ndarray], np.ndarray]] = deque()
    free = [np.empty(BLOCK * WIDEST, np.uint8) for _ in range(threads + 1)]
    normal_quantiles()  # once, before every thread does it
    with ThreadPoolExecutor(threads) as pool:
        try:
            for tensor in tensors:
                for block in range(-(-tensor.count // BLOCK)):
                    buffer = free.pop()
                    ahead.append((pool.submit(draw_block, tensor, block, seed, buffer), buffer))
                    if not free:
                        yield from _first(ahead, free)
            while ahead:
                yield from _first(ahead, free)
        finally:
            for future, _ in ahead:
                future.cancel()


def _first(ahead: "deque[tuple[Future[np.ndarray], np.ndarray]]", free: "list[np.ndarray]") -> Iterator["np.ndarray"]:
    future, buffer = ahead.popleft()
    yield future.result()
    free.append(buffer)


def draw_block(tensor: Tensor, block: int, seed: int, buffer: "np.ndarray | None" = None) -> "np.ndarray":
    """Block `block` of a tensor in its stored type (bfloat16 as uint16), little-endian, one-dimensional; in `buffer`,
    bytes for a whole block of the widest type, where one is given.
    """
    import numpy as np

    count = min(BLOCK, tensor.count - block * BLOCK)
    fill = _filler(tensor, block, _bits(seed, tensor.name, block))
    values = np.empty(min(CHUNK, count), np.float32)
    dtype = np.dtype(_STORED[tensor.dtype])
    stored = np.empty(count, dtype) if buffer is None else buffer[: count * dtype.itemsize].view(dtype)
    for start in range(0, count, CHUNK):
        chunk = values[: min(CHUNK, count - start)]
        fill(chunk)
        target = stored[start : start + len(chunk)]
        target[...] = round_to_bfloat16(chunk) if tensor.dtype == "bfloat16" else chunk
    return stored


def _bits(seed: int, name: str, block: int) -> "np.random.SFC64":
    import numpy as np

    named = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=16).digest(), "little")
    return np.random.SFC64(np.random.SeedSequence([seed, named, block]))


def _filler(tensor: Tensor, block: int, bits: "np.random.SFC64") -> Fill:
    law = tensor.law
    match law["law"]:
        case "normal":
            return _normal(law["std"], bits)
        case "uniform":
            return _uniform(law["low"], law["high"], bits)
        case "zeros":
            return lambda out: out.fill(0)
        case "ones":
            return lambda out: out.fill(1)
        case "constant":
            return lambda out: out.fill(law["value"])
        case "hash_experts":
            return _hash_experts(law["experts"], law["salt"], tensor.shape, block * BLOCK)
        case "values":
            return _values(law["values"], block * BLOCK)
        case "log_of_index":
            return _log_of_index(tensor.shape[-1], block * BLOCK, law.get("every", 1.0))
        case "log_of_uniform":
            return _log_of_uniform(law, bits)
        case "inverse_softplus_log_uniform":
            return _inverse_softplus_log_uniform(law, bits)
        case other:
            raise ValueError(f"the weight writer does not know the law {other!r}")


def _normal(std: float, bits: "np.random.SFC64") -> Fill:
    """std · (q(i) + w · u), with i of 16 random bits, q the normal quantiles, and u uniform on ±½ from 16 more bits.

    The little u, w = `BETWEEN`, fills the gaps between the quantiles, which are scaled so that the sum has variance 1.
    No value lies beyond 4.4 σ, where the normal distribution has 1e-5 of its mass. It takes 0.4 of a ziggurat's time,
    and that is what writing a model takes.
    """
    import numpy as np

    quantiles = _shifted_quantiles(std)
    step = np.float32(std * BETWEEN / 2**16)

    def fill(out: np.ndarray) -> None:
        count = len(out)
        words = bits.random_raw(-(-count // 2)).astype("<u8", copy=False).view("<u2")
        quantiles.take(words[:count], out=out, mode="wrap")
        between = words[count : 2 * count].astype(np.float32)
        between *= step
        out += between

    return fill


@lru_cache(maxsize=16)
def _shifted_quantiles(std: float) -> "np.ndarray":
    """std · (q − w/2) as float32: half the uniform part's width is taken off here, so that it may start at 0."""
    import numpy as np

    scale, middle = (1 - BETWEEN**2 / 12) ** 0.5, 0.5 - 2.0**-17
    return ((normal_quantiles() * scale - BETWEEN * middle) * std).astype(np.float32)


@cache
def normal_quantiles() -> "np.ndarray":
    """The middles of 2¹⁶ equally likely parts of the normal distribution, scaled to variance 1, as float64."""
    import numpy as np

    parts = 1 << 16
    inverse = NormalDist().inv_cdf
    upper = np.array([inverse((i + 0.5) / parts) for i in range(parts // 2, parts)])
    upper /= np.sqrt(np.mean(upper**2))
    return np.concatenate([-upper[::-1], upper])


def _uniform(low: float, high: float, bits: "np.random.SFC64") -> Fill:
    """low + (high − low) · k / 2²⁴, with k of 24 random bits: all that float32 resolves."""
    import numpy as np

    step = np.float32((high - low) / 2**24)

    def fill(out: np.ndarray) -> None:
        words = bits.random_raw(-(-len(out) // 2)).astype("<u8", copy=False).view("<u4")[: len(out)]
        out[...] = words >> 8
        out *= step
        out += np.float32(low)

    return fill


def _hash_experts(experts: int, salt: int, shape: tuple[int, ...], position: int) -> Fill:
    """Element (token, choice) is that choice's expert; `hash_experts` in the runtime says the same in torch."""
    import numpy as np

    vocab, top_k = shape
    factor, shift = permutation(vocab, salt)
    place = position

    def fill(out: np.ndarray) -> None:
        nonlocal place
        index = np.arange(place, place + len(out), dtype=np.int64)
        place += len(out)
        token, choice = np.divmod(index, top_k)
        group, first = np.divmod((factor * token + shift) % vocab, experts)
        others = 1 + (group + choice - 1) % max(experts - 1, 1)
        out[...] = (first + np.where(choice == 0, 0, others)) % experts

    return fill


def permutation(vocab: int, salt: int) -> tuple[int, int]:
    """a and b of the permutation v → (a·v + b) mod vocab that a salt stands for."""
    factor = 2 * (salt * 2654435761 % max(vocab // 2, 1)) + 1
    while gcd(factor, vocab) != 1:
        factor += 1
    return factor % vocab, salt * 40503 % vocab


def _values(values: list[float], position: int) -> Fill:
    """The elements as written out, from element `position` on."""
    rest = iter(values[position:])

    def fill(out: "np.ndarray") -> None:
        for index in range(len(out)):
            out[index] = next(rest)

    return fill


def _log_of_index(size: int, position: int, every: float) -> Fill:
    """log 1, log 2, …, log `size`, over and over, from the element at `position` on (S4D-real, Gu 2022).

    Each number stands `every` times, so that a wider row holds no larger ones.
    """
    import numpy as np

    def fill(out: np.ndarray) -> None:
        nonlocal position
        out[...] = np.log(np.ceil((np.arange(position, position + len(out)) % size + 1) / every))
        position += len(out)

    return fill


def _log_of_uniform(law: Law, bits: "np.random.SFC64") -> Fill:
    """The logarithm of a number drawn uniformly between `low` and `high` (Yang 2025)."""
    import numpy as np

    draw = _uniform(law["low"], law["high"], bits)

    def fill(out: np.ndarray) -> None:
        draw(out)
        np.log(out, out=out)

    return fill


def _inverse_softplus_log_uniform(law: Law, bits: "np.random.SFC64") -> Fill:
    """softplus⁻¹ of a step that is drawn log-uniformly between `low` and `high`, `floor` at least (Gu & Dao 2023)."""
    import numpy as np

    draw = _uniform(log(law["low"]), log(law["high"]), bits)

    def fill(out: np.ndarray) -> None:
        draw(out)
        step = np.exp(out.astype(np.float64)).clip(min=law["floor"])
        out[...] = step + np.log(-np.expm1(-step))

    return fill


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
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, MAX_THREADS)
