"""How a primitive's cross-checks tell what they find."""

from typing import Protocol

Path = tuple[str | int, ...]


class Report(Protocol):
    """Collects findings: a code of the catalogue, a path below the template's mixer or ffn, the numbers of the case."""

    def __call__(self, code: str, path: Path, **params: object) -> None:
        """Note one finding."""


def below(report: Report, *prefix: str | int) -> Report:
    """`report` for a part that stands at `prefix`."""

    def deeper(code: str, path: Path, **params: object) -> None:
        report(code, (*prefix, *path), **params)

    return deeper
