"""Where text comes from: the standard library, files and folders, or a dataset of the hub.

A source gives whole documents in a fixed order, and a digest of what it holds, so that tokens can be kept on disk.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from eulerstack.diagnostics import error, reason
from eulerstack.diagnostics.suggest import nearest
from eulerstack.training.corpus import STANDARD_LIBRARY, standard_library_files

TEXT_COLUMN = "text"
PARQUET = ".parquet"
JSON_LINES = (".jsonl", ".ndjson")
_FILE = re.compile(r"\.[A-Za-z]{1,8}$|/.*/")
"""How a file's name ends, or a path of more parts than a dataset's name has."""
SNIFFED = 8192
"""Bytes at a file's start that tell whether it is text."""


@dataclass(frozen=True, slots=True)
class Source:
    """A text to train on. `size` counts bytes (of what is read, as it lies on disk), `digest` names the content."""

    name: str
    digest: str
    size: int
    documents: Callable[[], Iterator[str]]
    """Every document, in the source's fixed order."""


def open_source(name: str, column: str | None = None) -> Source:
    """The source that `name` names: `python-stdlib`, a file or folder, else a dataset `NAME[:CONFIG]` of the hub.

    `column` is where JSON lines and tables hold the text (default: `text`, or the only column of strings). Files are
    text (one document each), JSON lines (one per line) or Parquet (one per row). Raises ValidationError for a name that
    is none of these, CompileError where a package is missing or the hub does not answer.
    """
    if name == STANDARD_LIBRARY:
        return _of_files(name, standard_library_files(), column)
    path = Path(name)
    if name.strip() and path.exists():
        return _of_files(name, _files(path), column)
    if _is_path(name):
        close = nearest(name, [STANDARD_LIBRARY])
        raise error("data-missing", params={"name": name, "nearest": close}, fix="fix_nearest" if close else "fix")
    return _of_hub(name, column)


def _is_path(name: str) -> bool:
    """Whether a name that is no file means one, and no dataset; names and configurations of these have dots too."""
    repository = name.partition(":")[0]
    return bool(not name.strip() or name.startswith((".", os.sep)) or _FILE.search(repository))


def _of_files(name: str, files: list[Path], column: str | None) -> Source:
    if not files:
        raise error("data-empty", params={"name": name})
    if any(path.suffix == PARQUET for path in files):
        _need("pyarrow")
    digest, size = hashlib.blake2b(repr(column).encode(), digest_size=20), 0
    for path in files:
        try:
            with open(path, "rb") as file:
                content = hashlib.file_digest(file, partial(hashlib.blake2b, digest_size=20))
        except OSError as failure:
            raise error("data-unreadable", params={"name": path, "reason": reason(failure)}) from None
        digest.update(path.suffix.encode() + content.digest())
        size += path.stat().st_size

    def documents() -> Iterator[str]:
        for path in files:
            yield from _documents(path, column)

    return Source(name, digest.hexdigest(), size, documents)


def _files(path: Path) -> list[Path]:
    """The file, or all files of text below the folder, hidden ones left out, in the order of their paths."""
    if path.is_file():
        return [path]
    found: list[Path] = []
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(folder) / name for name in names if not name.startswith(".")]
    readable = (file for file in found if file.is_file() and (file.suffix == PARQUET or not _is_binary(file)))
    return sorted(readable, key=lambda file: file.relative_to(path).parts)


def _is_binary(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            return b"\0" in file.read(SNIFFED)
    except OSError as failure:
        raise error("data-unreadable", params={"name": path, "reason": reason(failure)}) from None


def _documents(path: Path, column: str | None) -> Iterator[str]:
    if path.suffix == PARQUET:
        yield from _rows_of_parquet(path, column)
    elif path.suffix in JSON_LINES:
        yield from _json_lines(path, column)
    else:
        yield path.read_text("utf-8", errors="replace")


def _json_lines(path: Path, column: str | None) -> Iterator[str]:
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as failure:
                raise error("data-line", params={"name": path, "line": number, "reason": reason(failure)}) from None
            if isinstance(value, str) and column is None:
                yield _unicode(value)
                continue
            row = value if isinstance(value, dict) else {}
            yield _unicode(row[_text_column(f"{path}:{number}", row, column)])


def _unicode(text: str) -> str:
    """Half a surrogate pair, which JSON's escapes can write, as a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _text_column(name: str, row: dict[str, Any], column: str | None) -> str:
    """Which key of a row holds text."""
    strings = [key for key, value in row.items() if isinstance(value, str)]
    wanted = column or (TEXT_COLUMN if TEXT_COLUMN in strings or len(strings) != 1 else strings[0])
    if wanted not in strings:
        params = {"name": name, "column": wanted, "known": ", ".join(strings) or "-"}
        raise error("data-column", params=params)
    return wanted


def _rows_of_parquet(path: Path, column: str | None) -> Iterator[str]:
    from pyarrow import ArrowException, types
    from pyarrow.parquet import ParquetFile

    try:
        table = ParquetFile(path)
        kinds = {field.name: field.type for field in table.schema_arrow}
        strings = {name: "" for name, kind in kinds.items() if types.is_string(kind) or types.is_large_string(kind)}
        wanted = _text_column(str(path), strings, column)
        for batch in table.iter_batches(columns=[wanted], batch_size=1024):
            yield from (text for text in batch.column(0).to_pylist() if text)
    except (OSError, ArrowException) as failure:
        raise error("data-unreadable", params={"name": path, "reason": reason(failure)}) from None


def _of_hub(name: str, column: str | None) -> Source:
    """The `train` split of a dataset on the hub, or the only one it has; no other is read."""
    _need("datasets")
    import datasets

    path, _, config = name.partition(":")
    try:
        loaded = datasets.load_dataset(path, config or None)
    except Exception as failure:  # whatever a dataset's files, the hub and the network can raise
        known = _configurations(path) if isinstance(failure, ValueError) else []
        if known and config not in known:
            raise error("data-config", params={"name": path, "known": ", ".join(known)}) from failure
        raise error("data-unavailable", params={"name": name, "reason": reason(failure)}) from failure
    names = ["train"] if "train" in loaded else list(loaded)
    if len(names) > 1:
        raise error("data-split", params={"name": name, "known": ", ".join(names)})
    split = loaded[names[0]]
    kinds = {key: getattr(feature, "dtype", "") for key, feature in split.features.items()}
    features = {key: "" for key, kind in kinds.items() if kind in ("string", "large_string")}
    wanted = _text_column(name, features, column)
    digest = hashlib.blake2b(f"{split._fingerprint} {wanted}".encode(), digest_size=20).hexdigest()
    return Source(name, digest, split.dataset_size or 0, lambda: (row[wanted] for row in split if row[wanted]))


def _configurations(path: str) -> list[str]:
    """The names of a dataset's configurations, none where they cannot be asked for."""
    import datasets

    try:
        return list(datasets.get_dataset_config_names(path))
    except Exception:  # whatever hinders that; what hindered loading is told
        return []


def _need(package: str) -> None:
    if find_spec(package) is None:
        raise error("data-needs", params={"package": package})
