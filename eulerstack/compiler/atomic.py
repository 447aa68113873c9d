"""A directory that is complete or absent.

It is filled under a hidden name beside its target, brought to the disk, and renamed. An old directory is renamed aside
first and deleted last. What a killed process leaves behind bears a hidden name and no lock, so that the next one knows
it: an unfinished directory is deleted, and an old one whose successor never came is put back.
"""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from eulerstack.diagnostics import error

PARTIAL = ".partial"
OLD = ".old"


@contextmanager
def new_directory(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """A directory to fill: it becomes `target` when the block ends well, and vanishes otherwise, Ctrl-C included.

    Raises CompileError where the target must not or cannot be written.
    """
    target = Path(os.path.realpath(target))
    check_target(target, overwrite=overwrite)
    staging = _hidden(target, PARTIAL)
    try:
        with _locked(target.parent):
            clear_leftovers(target)
            check_target(target, overwrite=overwrite)
            staging.mkdir()
            claim = _lock(staging, wait=False)
        try:
            yield staging
            _sync_tree(staging)
            with _locked(target.parent):
                _swap(staging, target, overwrite=overwrite)
        finally:
            if claim is not None:
                os.close(claim)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def check_target(target: Path, *, overwrite: bool) -> None:
    """Refuse a target that is a file, has no parent, cannot be written, or holds something that may not be replaced."""
    parent = target.parent
    if not parent.is_dir():
        raise error("target-parent-missing", params={"path": target, "parent": parent})
    if not os.access(parent, os.W_OK | os.X_OK):
        raise error("target-unwritable", params={"parent": parent})
    if not target.exists():
        return
    if not target.is_dir():
        raise error("target-is-file", params={"path": target})
    if not any(target.iterdir()):
        return
    if not overwrite:
        raise error("target-not-empty", params={"path": target})
    if any(place.is_relative_to(target) for place in (Path.cwd().resolve(), Path.home().resolve())):
        raise error("target-protected", params={"path": target})


def clear_leftovers(target: Path) -> None:
    """Undo what killed processes left beside `target`; call it with the parent locked."""
    for path in sorted(target.parent.iterdir()):
        if not path.name.startswith(f".{target.name}."):
            continue
        if path.suffix == OLD:
            if target.exists():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.rename(target)
        elif path.suffix == PARTIAL and (claim := _lock(path, wait=False)) is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(claim)


def _swap(staging: Path, target: Path, *, overwrite: bool) -> None:
    """Put the finished directory in the target's place."""
    check_target(target, overwrite=overwrite)
    old = None
    if target.exists():
        old = _hidden(target, OLD)
        target.rename(old)
    try:
        staging.rename(target)
    except BaseException:
        if old is not None:
            old.rename(target)
        raise
    _sync(target.parent)
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)


def _hidden(target: Path, suffix: str) -> Path:
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}{suffix}")


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Alone among the compilers that write into `directory`, as far as its file system knows locks."""
    claim = _lock(directory, wait=True)
    try:
        yield
    finally:
        if claim is not None:
            os.close(claim)


def _lock(directory: Path, *, wait: bool) -> int | None:
    """A descriptor that holds the directory's lock until it is closed or its process dies; None if it cannot be had."""
    with suppress(OSError, ImportError):  # there is no fcntl on Windows: leftovers of killed processes stay there
        import fcntl

        descriptor = os.open(directory, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor
    return None


def _sync_tree(directory: Path) -> None:
    for path in directory.rglob("*"):
        _sync(path)
    _sync(directory)


def _sync(path: Path) -> None:
    """Bring a file's or a directory's content to the disk; directories cannot be opened everywhere."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
