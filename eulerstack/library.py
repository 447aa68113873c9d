"""The presets that come with the package: YAML files, their names and what their `about` says."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable

from eulerstack import i18n
from eulerstack.diagnostics import Source
from eulerstack.dsl import parse

TIERS = (1, 2, 3)
LEVELS = ("beginner", "intermediate", "advanced", "expert")


@dataclass(frozen=True)
class Preset:
    """One preset. `path` is a file in the package, which need not be on a disk."""

    name: str
    tier: int
    path: Traversable

    @cached_property
    def source(self) -> Source:
        """The preset's YAML; errors call it `<name>.yml`."""
        return Source(self.path.name, self.path.read_text("utf-8"))

    @cached_property
    def _plain(self) -> dict:
        return parse(self.source).plain()

    @property
    def about(self) -> dict:
        """The preset's `about`: papers, mirrors, speculative…; empty when it has none."""
        return self._plain.get("about") or {}

    @property
    def level(self) -> str | None:
        """`beginner`, `intermediate`, `advanced` or `expert`; None for a preset that names no level."""
        return self.about.get("level")

    @property
    def target_params(self) -> str | int | None:
        """The size that the preset aims at, as written."""
        return self._plain["model"].get("target_params")

    @property
    def description(self) -> str:
        """One sentence in the current language."""
        return i18n.text("presets", self.name)


def presets() -> list[Preset]:
    """All presets, by tier, level and name."""
    return sorted(_files().values(), key=lambda p: (p.tier, (*LEVELS, None).index(p.level), p.name))


def names() -> list[str]:
    """The names of all presets, without reading a file."""
    return list(_files())


def find(name: str) -> Preset | None:
    """The preset of this name, or None."""
    return _files().get(name)


@cache
def _files() -> dict[str, Preset]:
    return {preset.name: preset for preset in _walk()}


def _walk() -> Iterator[Preset]:
    for tier in TIERS:
        folder = files("eulerstack.presets") / f"tier{tier}"
        if folder.is_dir():
            for path in sorted(folder.iterdir(), key=lambda p: p.name):
                if path.name.endswith(".yml"):
                    yield Preset(path.name.removesuffix(".yml"), tier, path)
