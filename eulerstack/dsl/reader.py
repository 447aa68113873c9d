"""Bytes → text: reading a file and refusing what is no text."""

import codecs
import os
import stat
from pathlib import Path

from eulerstack.diagnostics import EulerStackError, Source, Span, error, nearest, reason
from eulerstack.diagnostics.span import LINE_BREAK

YAML_SUFFIXES = (".yml", ".yaml")
MAX_BYTES = 1 << 20
"""The largest spec that is read, 1 MiB; the largest published preset is a few KiB."""

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_DESCRIPTORS = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")


def read_file(path: str | os.PathLike[str]) -> Source:
    """The text of a UTF-8 file (a byte order mark is dropped). Raises ValidationError for everything else."""
    name = os.fspath(path)
    try:
        data = _read(name)
    except FileNotFoundError:
        raise _missing(name) from None
    except (OSError, ValueError) as failure:  # ValueError: a NUL inside the path
        raise error("file-unreadable", params={"path": name, "reason": reason(failure)}) from None
    return decode(data, name, Path(name))


def _read(name: str) -> bytes:
    mode = os.stat(name).st_mode
    if stat.S_ISDIR(mode):
        raise _directory(name)
    if not stat.S_ISREG(mode) and not name.startswith(_DESCRIPTORS):  # a pipe or a device might never end
        raise error("file-special", params={"path": name})
    with open(name, "rb") as file:
        return file.read(MAX_BYTES + 1)


def _directory(name: str) -> EulerStackError:
    inside = sorted(entry.name for entry in os.scandir(name) if entry.name.endswith(YAML_SUFFIXES))
    params = {"path": name, "files": ", ".join(inside)}
    return error("file-directory", params=params, fix="fix_inside" if inside else "fix")


def _missing(name: str) -> EulerStackError:
    path = Path(name)
    try:
        siblings = [entry.name for entry in os.scandir(path.parent)]
    except OSError:
        siblings = []
    close = nearest(path.name, siblings)
    params = {"path": name, "nearest": str(path.parent / close) if close else ""}
    return error("file-missing", params=params, fix="fix_nearest" if close else "fix")


def decode(data: bytes, name: str, path: Path | None = None) -> Source:
    """The source that these bytes are. Raises ValidationError when they are too many, binary or not UTF-8."""
    if len(data) > MAX_BYTES:
        raise too_large(Source(name, "", path=path))
    if data.startswith(_UTF16):
        place = _place(data[:0], Source(name, "", path=path))
        raise error("not-utf8", span=place, params={"byte": f"0x{data[0]:02x}"}, fix="fix_utf16")
    data = data.removeprefix(codecs.BOM_UTF8)
    if b"\0" in data:
        shown = Source(name, data.decode("utf-8", "replace"), path=path)
        raise error("binary", span=_place(data[: data.index(b"\0")], shown))
    try:
        return Source(name, data.decode("utf-8"), path=path)
    except UnicodeDecodeError as failure:
        raise _not_utf8(data, failure.start, name, path) from None


def too_large(source: Source) -> EulerStackError:
    """The error for a text beyond `MAX_BYTES`."""
    return error("text-too-large", span=_place(b"", source), params={"limit": MAX_BYTES})


def _not_utf8(data: bytes, start: int, name: str, path: Path | None) -> EulerStackError:
    try:
        shown, fix = data.decode("cp949"), "fix_cp949"
    except UnicodeDecodeError:
        shown, fix = data.decode("utf-8", "replace"), "fix"
    place = _place(data[:start], Source(name, shown, path=path))
    return error("not-utf8", span=place, params={"byte": f"0x{data[start]:02x}"}, fix=fix)


def _place(before: bytes, source: Source) -> Span:
    """The place that comes right after the bytes `before`."""
    lines = LINE_BREAK.split(before.decode("utf-8", "replace"))
    line, column = len(lines) + source.line_offset, len(lines[-1]) + 1
    return Span(source, line, column, line, column + 1)
