"""The presets that come with the package: YAML files, their names and what their `about` says."""

from collections.abc import Iterator
from functools import cache, cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable

from eulerstack import i18n
from eulerstack.diagnostics import Source
from eulerstack.dsl import parse, resolve
from eulerstack.records import dataclass

TIERS = (1, 2, 3)
LEVELS = ("beginner", "intermediate", "advanced", "expert")
MIXERS = ("attention", "mamba", "retnet", "hyena", "ttt_layer", "gated_deltanet", "branched")
"""What `mixer.type` may be: here as well, so that a list of presets loads no schema; a test holds the two equal."""

_MULTIPLES = {"K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}


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
    def size(self) -> int | None:
        """The parameters that the preset aims at, as a number; None for the one without a figure."""
        return None if self.target_params is None else parameter_count(self.target_params)

    @cached_property
    def mixers(self) -> frozenset[str]:
        """The types of its mixers: of its templates, inherited ones too, and of their branches."""
        templates = resolve(self.source, lambda name, _: _files()[name].source).root.plain()["layer_templates"]
        found = {template["mixer"]["type"] for template in templates.values()}
        inner = (template["mixer"].get("branched") or {} for template in templates.values())
        return frozenset(found | {branch["type"] for each in inner for branch in each.get("branches", {}).values()})

    @property
    def description(self) -> str:
        """One sentence in the current language."""
        return i18n.text("presets", self.name)


def presets(
    *,
    tier: int | None = None,
    level: str | None = None,
    mixer: str | None = None,
    min_params: int | None = None,
    max_params: int | None = None,
) -> list[Preset]:
    """The presets of this tier and level that have this mixer and aim at a size within these bounds, by tier, level and
    name. A preset without a figure is within no bounds.
    """
    bounded = min_params is not None or max_params is not None
    low, high = min_params or 0, float("inf") if max_params is None else max_params
    found = [
        preset
        for preset in _files().values()
        if (tier is None or preset.tier == tier)
        and (level is None or preset.level == level)
        and (not bounded or (preset.size is not None and low <= preset.size <= high))
        and (mixer is None or mixer in preset.mixers)
    ]
    return sorted(found, key=lambda p: (p.tier, (*LEVELS, None).index(p.level), p.name))


def parameter_count(written: str | int) -> int:
    """`1_100_000_000` and `"1.1B"` as a number of parameters. Raises ValueError for what is neither."""
    text = str(written).strip()
    unit = _MULTIPLES.get(text[-1:].upper(), 1)
    return round(float(text.rstrip("KMBTkmbt") or "x") * unit)


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
