"""The tokens of a source on disk, read where they lie (memory-mapped), made once for each content and tokenizer.

A store is written aside and renamed into place when it is whole, so that neither an interruption nor a second process
that makes the same one leaves half of it.
"""

import hashlib
import json
import math
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from transformers import PreTrainedTokenizerBase

from eulerstack.diagnostics import error
from eulerstack.training.data.sources import Source
from eulerstack.training.data.split import split

FORMAT = 1
"""Part of every key: raise it when what a store holds changes its meaning."""

CACHE = "EULERSTACK_CACHE"
META = "meta.json"
PARTS = ("train", "held_out")
BATCH_CHARACTERS = 1_000_000
"""How much text is tokenised at a time; longer documents are cut at ends of lines."""

FORGOTTEN = 86_400
"""Seconds after which what an interrupted process left aside is removed."""

Report = Callable[[int, int], None]
"""Hears how many bytes of text are tokenised, and of how many."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a store: all its tokens in a row, where documents begin among them, and how often each id occurs."""

    tokens: np.ndarray
    starts: np.ndarray
    counts: np.ndarray
    bytes: int
    """Of the text, in UTF-8."""

    @property
    def tokens_per_byte(self) -> float:
        """What turns nats per token into nats per byte."""
        return len(self.tokens) / self.bytes


@dataclass(frozen=True, slots=True)
class Store:
    """The tokens of a source, those to train on and those held out, and the key that names them."""

    key: str
    path: Path
    name: str
    train: Part
    held_out: Part

    def check_vocabulary(self, vocab_size: int) -> None:
        """Raise CompatibilityError where a token's id is not in a vocabulary of this size."""
        largest = max(len(self.train.counts), len(self.held_out.counts)) - 1
        if largest >= vocab_size:
            raise error("data-vocabulary", params={"name": self.name, "largest": largest, "vocab_size": vocab_size})

    def check_length(self, length: int) -> None:
        """Raise ValidationError where a part does not fill one row of `length` tokens."""
        for part in (self.train, self.held_out):
            if len(part.tokens) < length:
                params = {"name": self.name, "tokens": len(part.tokens), "length": length}
                raise error("data-short", params=params)


def cache_directory() -> Path:
    """Where stores are kept: EULERSTACK_CACHE, else the system's place for caches."""
    if written := os.environ.get(CACHE):
        return Path(written)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "eulerstack"


def prepare(
    source: Source,
    tokenizer: PreTrainedTokenizerBase,
    *,
    add_eos: bool,
    cache: Path | None = None,
    report: Report = lambda done, total: None,
) -> Store:
    """The tokens of `source`: found in the cache, else made. Every document begins as the tokenizer begins a text, and
    with `add_eos` ends with the end-of-text token.

    Raises ValidationError for a source without text.
    """
    key = _key(source, tokenizer, add_eos)
    root = (cache or cache_directory()) / "data"
    target = root / key
    if not (target / META).is_file():
        root.mkdir(parents=True, exist_ok=True)
        _sweep(root)
        aside = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=root))
        try:
            _write(aside, source, tokenizer, add_eos, report)
            _publish(aside, target)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return _read(target, key, source.name)


def unigram_loss(counts: np.ndarray, targets: np.ndarray) -> float:
    """What knowing only how frequent each token is scores on `targets`: cross-entropy in nats per token.

    `counts` are the frequencies of the text trained on, each raised by one; ids beyond them count as one.
    """
    seen = np.bincount(targets)
    raised = np.ones(max(len(seen), len(counts)), dtype=np.float64)
    raised[: len(counts)] += counts
    present = np.flatnonzero(seen)
    nats = math.log(raised.sum()) - np.log(raised[present])
    return float((seen[present] * nats).sum() / seen.sum())


def _key(source: Source, tokenizer: PreTrainedTokenizerBase, add_eos: bool) -> str:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    words = (
        backend.to_str() if backend else json.dumps([type(tokenizer).__name__, sorted(tokenizer.get_vocab().items())])
    )
    parts = (str(FORMAT), source.digest, words, str(tokenizer.eos_token_id), str(add_eos))
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def _sweep(root: Path) -> None:
    for left in root.glob(".*-*"):
        try:
            if time.time() - left.stat().st_mtime > FORGOTTEN:
                shutil.rmtree(left, ignore_errors=True)
        except OSError:  # its own process was quicker
            continue


def _publish(aside: Path, target: Path) -> None:
    try:
        aside.rename(target)
    except OSError:
        if not (target / META).is_file():  # else another process was quicker, with the same content
            raise


class _Writer:
    """One part as it grows."""

    def __init__(self, directory: Path, name: str, dtype: str):
        self.file: BinaryIO = open(directory / f"{name}.bin", "wb")  # noqa: SIM115 (closed by close)
        self.directory, self.name, self.dtype = directory, name, dtype
        self.counts = np.zeros(0, dtype=np.int64)
        self.starts: list[int] = []
        self.tokens = self.bytes = 0

    def add(self, ids: list[int]) -> None:
        array = np.asarray(ids, dtype=np.int64)
        array.astype(self.dtype).tofile(self.file)
        self.tokens += len(array)
        more = np.bincount(array, minlength=len(self.counts))
        more[: len(self.counts)] += self.counts
        self.counts = more

    def close(self) -> dict[str, int]:
        self.file.close()
        np.save(self.directory / f"{self.name}.starts.npy", np.asarray(self.starts, dtype=np.int64))
        np.save(self.directory / f"{self.name}.counts.npy", self.counts)
        return {"tokens": self.tokens, "bytes": self.bytes}


def _write(directory: Path, source: Source, tokenizer: PreTrainedTokenizerBase, add_eos: bool, report: Report) -> None:
    dtype = "uint16" if len(tokenizer) <= 2**16 else "uint32"
    parts = [_Writer(directory, name, dtype) for name in PARTS]
    first, last = _ends(tokenizer, add_eos)
    done = 0
    for batch in _batches(split(source.documents())):
        pieces = [piece.text for piece in batch]
        encoded = tokenizer(pieces, add_special_tokens=False, verbose=False).input_ids
        for piece, ids in zip(batch, encoded, strict=True):
            part = parts[piece.held_out]
            if piece.begins:
                part.starts.append(part.tokens)
            part.add([*(first if piece.begins else ()), *ids, *(last if piece.ends else ())])
            size = len(piece.text.encode("utf-8", "replace"))
            part.bytes += size
            done += size
        report(min(done, source.size), source.size)
    meta: dict[str, Any] = {name: part.close() for name, part in zip(PARTS, parts, strict=True)}
    if not all(part["tokens"] for part in meta.values()):
        raise error("data-empty", params={"name": source.name})
    (directory / META).write_text(json.dumps({"dtype": dtype, "source": source.name, **meta}, indent=2), "utf-8")


def _ends(tokenizer: PreTrainedTokenizerBase, add_eos: bool) -> tuple[list[int], list[int]]:
    """What stands before a document, as the tokenizer begins every text, and behind it."""
    bare = tokenizer("a", add_special_tokens=False).input_ids
    whole = tokenizer("a").input_ids
    place = next(i for i in range(len(whole)) if whole[i : i + len(bare)] == bare)
    return whole[:place], [tokenizer.eos_token_id] if add_eos and tokenizer.eos_token_id is not None else []


@dataclass(frozen=True, slots=True)
class _Piece:
    """A document, or a part of a long one."""

    text: str
    held_out: bool
    begins: bool
    ends: bool


def _batches(documents: Iterator[tuple[str, bool]]) -> Iterator[list[_Piece]]:
    """Pieces together as long as is tokenised at a time."""
    batch: list[_Piece] = []
    characters = 0
    for text, held_out in documents:
        for piece in _pieces(text, held_out):
            batch.append(piece)
            characters += len(piece.text)
            if characters >= BATCH_CHARACTERS:
                yield batch
                batch, characters = [], 0
    if batch:
        yield batch


def _pieces(text: str, held_out: bool) -> Iterator[_Piece]:
    start = 0
    while start < len(text):
        end = min(len(text), start + BATCH_CHARACTERS)
        if end < len(text):
            line = text.rfind("\n", start, end) + 1
            end = line if line > start else end
        yield _Piece(text[start:end], held_out, begins=start == 0, ends=end == len(text))
        start = end


def _read(path: Path, key: str, name: str) -> Store:
    meta = json.loads((path / META).read_text("utf-8"))

    def part(part_name: str) -> Part:
        return Part(
            tokens=np.memmap(path / f"{part_name}.bin", dtype=meta["dtype"], mode="r"),
            starts=np.load(path / f"{part_name}.starts.npy"),
            counts=np.load(path / f"{part_name}.counts.npy"),
            bytes=meta[part_name]["bytes"],
        )

    return Store(key, path, name, *(part(part_name) for part_name in PARTS))
