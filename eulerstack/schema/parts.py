"""A document taken apart: each section, template, schedule entry, mode and column read on its own.

What is faulty is None or absent, so that checks across parts see everything that is sound.
"""

from collections.abc import Iterator
from typing import Any, TypeVar, cast

from eulerstack.diagnostics import Diagnostic
from eulerstack.dsl.tree import Mapping, Path, Scalar, Sequence, find, locate
from eulerstack.records import dataclass
from eulerstack.schema.base import Keys
from eulerstack.schema.facts import field_facts, named_fields
from eulerstack.schema.ffn import FfnKeys
from eulerstack.schema.memory import MemoryKeys
from eulerstack.schema.mixers import MixerKeys
from eulerstack.schema.prepare import prepare
from eulerstack.schema.schedule import KINDS, EntryKeys, kind_of
from eulerstack.schema.sections import (
    AboutKeys,
    ColumnKeys,
    CompatibilityKeys,
    EmbeddingKeys,
    HeadKeys,
    ModeKeys,
    ModelKeys,
    TissueKeys,
    TokenizerKeys,
    TrainingKeys,
    TransitionKeys,
)
from eulerstack.schema.spec import RootKeys
from eulerstack.schema.structure import Fault, Reader, entry_kind, missing_key, shown, unknown_key, wrong_value
from eulerstack.schema.template import (
    FfnFactorsKeys,
    NormKeys,
    ResidualKeys,
    ShapeChangeKeys,
    StateKeys,
    TemplateKeys,
)

K = TypeVar("K", bound=Keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateParts:
    """What could be read of one template; None where a part is faulty or not written."""

    mixer: MixerKeys | None
    ffn: FfnKeys | None
    norm: NormKeys | None
    residual: ResidualKeys | None
    state: StateKeys | None
    memory: MemoryKeys | None
    shape_change: ShapeChangeKeys | None
    ffn_factors: FfnFactorsKeys | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Every part of a document that could be read.

    `templates` are all of them, as far as they could be read, `whole_templates` those without a fault. `schedule` holds
    the schedule's entries as they nest, `entries` those at every depth in the order of the text. `faulty` are the paths
    of values that were taken out or are missing; `whole` is False where one was passed over that an earlier layer had
    complained about.
    """

    root: Mapping
    faulty: frozenset[Path]
    whole: bool
    model: ModelKeys | None
    tokenizer_contract: TokenizerKeys | None
    embedding: EmbeddingKeys | None
    head: HeadKeys | None
    training_hints: TrainingKeys
    compatibility: CompatibilityKeys
    about: AboutKeys | None
    transition: TransitionKeys | None
    tissue: TissueKeys | None
    templates: dict[str, TemplateParts]
    whole_templates: dict[str, TemplateKeys]
    schedule: list[EntryKeys]
    entries: list[tuple[Path, EntryKeys]]
    modes: list[tuple[Path, ModeKeys]]
    columns: list[tuple[Path, ColumnKeys]]
    reserved: dict[str, Any]

    def written(self, *path: str | int) -> bool:
        """Whether a value other than null stands at `path`."""
        return find(self.root, path) is not None and not _is_null(self.root, path)

    def sound(self, *path: str | int) -> bool:
        """Whether everything at and below `path` could be read, so that what is not written there is known."""
        return not any(fault[: len(path)] == path for fault in self.faulty)


def read_parts(document_root: Mapping) -> tuple[Parts, list[Diagnostic]]:
    """Take a resolved tree apart; the diagnostics say what could not be read."""
    prepared = prepare(document_root)
    reader = Reader(prepared.root)
    reader.diagnostics += prepared.diagnostics
    _read_root(reader)
    names = _names(reader, "layer_templates")
    whole = {name: reader.read(TemplateKeys, ("layer_templates", name)) for name in names}
    schedule = [_read_entry(reader, path, report=True) for path in _items(reader, ("layer_schedule",), report=True)]
    parts = Parts(
        root=prepared.root,
        model=reader.read(ModelKeys, ("model",)),
        tokenizer_contract=reader.read(TokenizerKeys, ("tokenizer_contract",)),
        embedding=reader.read(EmbeddingKeys, ("embedding",)),
        head=reader.read(HeadKeys, ("head",)),
        training_hints=_optional(reader, TrainingKeys, "training_hints") or TrainingKeys(),
        compatibility=_optional(reader, CompatibilityKeys, "compatibility") or CompatibilityKeys(),
        about=_optional(reader, AboutKeys, "about"),
        transition=_optional(reader, TransitionKeys, "transition"),
        tissue=_optional(reader, TissueKeys, "tissue"),
        templates={name: _template_parts(reader, ("layer_templates", name), whole[name]) for name in names},
        whole_templates={name: template for name, template in whole.items() if template},
        schedule=[entry for entry in schedule if entry],
        entries=list(_entries(reader, ("layer_schedule",))),
        modes=list(_read_items(reader, ModeKeys, ("execution_modes",), report=True)),
        columns=list(_read_items(reader, ColumnKeys, ("tissue", "columns"), report=False)),
        reserved=prepared.reserved,
        faulty=frozenset(reader.faulty),
        whole=reader.whole,
    )
    return parts, reader.diagnostics


def _template_parts(reader: Reader, path: Path, whole: TemplateKeys | None) -> TemplateParts:
    """From the whole template where it could be read, else each part on its own."""
    if whole:
        return TemplateParts(**dict(whole))

    def read(keys: type[K], name: str) -> K | None:
        return None if _is_null(reader.root, (*path, name)) else reader.read(keys, (*path, name), report=False)

    return TemplateParts(
        mixer=read(MixerKeys, "mixer"),
        ffn=read(FfnKeys, "ffn"),
        norm=read(NormKeys, "norm"),
        residual=read(ResidualKeys, "residual"),
        state=read(StateKeys, "state"),
        memory=read(MemoryKeys, "memory"),
        shape_change=read(ShapeChangeKeys, "shape_change"),
        ffn_factors=read(FfnFactorsKeys, "ffn_factors"),
    )


def _read_root(reader: Reader) -> None:
    """Unknown and missing sections, and the version."""
    root, fields = reader.root, dict(named_fields(RootKeys))
    unknown = [entry.key for entry in root.entries if entry.key not in fields]
    reader.diagnostics += [unknown_key(root, (key,), RootKeys) for key in unknown]
    for name, info in fields.items():
        if info.is_required() and root.get(name) is None:
            reader.diagnostics.append(missing_key(root, (name,), field_facts(RootKeys, name)))
    version = root.get("schema_version")
    if version is not None and (version.plain() != 1 or type(version.plain()) is not int):
        span, params = locate(root, ("schema_version",)), {"found": shown(version.plain())}
        reader.diagnostics.append(Diagnostic(code="unsupported-schema-version", span=span, params=params))


def _optional(reader: Reader, keys: type[K], name: str) -> K | None:
    return None if _is_null(reader.root, (name,)) else reader.read(keys, (name,))


def _is_null(root: Mapping, path: Path) -> bool:
    node = find(root, path)
    return isinstance(node, Scalar) and node.value is None


def _names(reader: Reader, section: str) -> tuple[str, ...]:
    node = reader.root.get(section)
    if node is not None and not (isinstance(node, Mapping) and node.entries):
        reader.diagnostics.append(_misshapen(reader.root, section))
    return tuple(node.keys()) if isinstance(node, Mapping) else ()


def _items(reader: Reader, path: Path, *, report: bool) -> Iterator[Path]:
    """The paths of the items of the list at `path`; at the root an empty or other value is reported."""
    node = find(reader.root, path)
    if report and node is not None and not (isinstance(node, Sequence) and node.items):
        optional = not dict(named_fields(RootKeys))[str(path[0])].is_required()
        if not (optional and _is_null(reader.root, path)):
            reader.diagnostics.append(_misshapen(reader.root, str(path[0])))
    for index in range(len(node.items) if isinstance(node, Sequence) else 0):
        yield (*path, index)


def _misshapen(root: Mapping, section: str) -> Diagnostic:
    node, known = root.get(section), field_facts(RootKeys, section)
    plain = node.plain() if node else None
    right = isinstance(plain, list if known.kind == "list" else dict)
    kind = "too_short" if right else "list_type" if known.kind == "list" else "dict_type"
    return wrong_value(root, (section,), known, Fault((), kind, plain))


def _read_items(reader: Reader, keys: type[K], path: Path, *, report: bool) -> Iterator[tuple[Path, K]]:
    for place in _items(reader, path, report=report):
        item = reader.read(keys, place, report=report)
        if item is not None:
            yield place, item


def _read_entry(reader: Reader, path: Path, *, report: bool) -> EntryKeys | None:
    node = find(reader.root, path)
    plain = node.plain() if node else None
    kind = kind_of(plain)
    if kind is None:
        if report:
            reader.diagnostics.append(entry_kind(reader.root, path, plain))
        return None
    return cast(EntryKeys | None, reader.read(KINDS[kind], path, report=report))


def _entries(reader: Reader, path: Path) -> Iterator[tuple[Path, EntryKeys]]:
    """Every entry below the list at `path`, at any depth, each without the faults of the others."""
    for here in _items(reader, path, report=False):
        entry = _read_entry(reader, here, report=False)
        if entry is not None:
            yield here, entry
        yield from _entries(reader, (*here, "group"))
        yield from _entries(reader, (*here, "integrator", "body"))
        for stream in _items(reader, (*here, "parallel"), report=False):
            yield from _entries(reader, (*stream, "body"))
