"""How checks across keys tell what they find."""

from collections.abc import Iterable
from dataclasses import field

from eulerstack.diagnostics import Diagnostic
from eulerstack.diagnostics.catalogue import CATALOGUE
from eulerstack.diagnostics.suggest import nearest
from eulerstack.dsl.tree import Mapping, Path, dotted, locate
from eulerstack.records import dataclass
from eulerstack.schema.paths import see
from eulerstack.schema.report import Report


@dataclass(frozen=True, slots=True)
class Findings:
    """Collects diagnostics about one tree; every text may use the place as `{path}`."""

    root: Mapping
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def add(self, code: str, path: Path, /, *, key: bool = False, fix: str = "fix", **params: object) -> None:
        """Note a finding about the value (with `key` the key) at `path`."""
        self._note(code, path, key, fix, params)

    def _note(self, code: str, path: Path, key: bool, fix: str, params: dict[str, object]) -> None:
        own_see = CATALOGUE[code].see != "eulerstack schema"
        self.diagnostics.append(
            Diagnostic(
                code=code,
                span=locate(self.root, path, key=key),
                fix=fix,
                see=None if own_see else see(path),
                params={"path": dotted(path), **params},
            )
        )

    def unknown(self, code: str, path: Path, name: str, known: Iterable[str]) -> None:
        """Note that `name`, written at `path`, names nothing that exists."""
        names = sorted(known)
        near = nearest(name, names)
        self.add(
            code, path, fix="fix_nearest" if near else "fix", name=name, known=", ".join(names) or "–", nearest=near
        )

    def below(self, *prefix: str | int) -> Report:
        """A report for a primitive's own checks, whose paths stand below `prefix`."""

        def report(code: str, path: tuple[str | int, ...], **params: object) -> None:
            self._note(code, (*prefix, *path), False, "fix", params)

        return report
