"""What names a spec, and the way from a name to a valid model: the first three layers, with everything found on it."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from eulerstack import preset_index
from eulerstack.diagnostics import Diagnostic, EulerStackError, Severity, Source, collect, error, in_text_order
from eulerstack.diagnostics.suggest import nearest
from eulerstack.dsl import YAML_SUFFIXES, Document, examine, read_file, relative_lookup
from eulerstack.results.spec_text import SpecText

if TYPE_CHECKING:
    from eulerstack.ir.nodes import Model
    from eulerstack.schema import Spec

Ref = str | Path | Source | SpecText
"""What names a spec: a path, a preset's name, a bound name, YAML text, or a text as it is."""

bindings: dict[str, Source] = {}
"""Specs that a notebook bound to names (`--out NAME`); they come before presets and files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A valid spec through the first three layers, with the warnings and notes about it."""

    source: Source
    document: Document
    spec: "Spec"
    model: "Model"
    findings: tuple[Diagnostic, ...]

    @property
    def yaml(self) -> str:
        """The canonical spec: every default filled, `extends` and `let` applied."""
        from eulerstack.ir.print import print_yaml

        return print_yaml(self.model)


def source(ref: Ref) -> Source:
    """The text that `ref` names. Raises ValidationError when there is no such file or preset."""
    if isinstance(ref, Source):
        return ref
    if isinstance(ref, SpecText):
        return ref.source
    if isinstance(ref, Path):
        return read_file(ref)
    if "\n" in ref:
        return Source("<string>", ref)
    found = _named(ref)
    if found:
        return found
    if _is_path(ref):
        return read_file(ref)
    raise unknown(ref, [*bindings, *preset_index.names()])


def load(ref: Ref) -> Loaded:
    """Read, check and lower a spec. Raises EulerStackError with every error that was found."""
    loaded, found = examined(source(ref))
    if loaded is None:
        raise collect(found)
    return loaded


def examined(text: Source) -> tuple[Loaded | None, list[Diagnostic]]:
    """The spec through the first three layers, or None, and all diagnostics in the order of the text."""
    from eulerstack.ir.lower import lower
    from eulerstack.ir.realism import realism
    from eulerstack.schema import check

    document, found = examine(text, lookup)
    if document is None:
        return None, found
    checked = check(document)
    found = in_text_order([*found, *checked.diagnostics])
    if checked.spec is None or any(d.severity is Severity.ERROR for d in found):
        return None, found
    try:
        model = lower(checked.spec)
    except EulerStackError as failure:
        return None, in_text_order([*found, *failure.diagnostics])
    found = in_text_order([*found, *realism(checked.spec, model)])
    findings = tuple(found)
    return Loaded(source=text, document=document, spec=checked.spec, model=model, findings=findings), found


def twin(loaded: Loaded) -> Source:
    """The text of a spec's tiny twin."""
    from eulerstack.ir.print import print_yaml
    from eulerstack.ir.shrink import shrink as twin_of

    return Source(f"{loaded.model.name}-tiny.yml", print_yaml(twin_of(loaded.model)))


def lookup(name: str, origin: Source) -> Source:
    """What `extends: name` in `origin` means: a bound spec, a preset, or a file beside `origin`."""
    found = _named(name)
    if found:
        return found
    if _is_path(name):
        return relative_lookup(name, origin)
    raise unknown(name, [*bindings, *preset_index.names()])


def _named(name: str) -> Source | None:
    if name in bindings:
        return bindings[name]
    found = preset_index.find(name)
    return found.source if found else None


def _is_path(name: str) -> bool:
    if name.endswith(YAML_SUFFIXES) or "/" in name or "\\" in name:
        return True
    with suppress(OSError, ValueError):  # a name too long for a path, or with a NUL in it
        return bool(name) and Path(name).exists()
    return False


def unknown(name: str, known: Iterable[str]) -> EulerStackError:
    """The error that there is no preset `name`, with the nearest of the `known` names."""
    close = nearest(name, known)
    params = {"value": name, "nearest": close}
    return error("unknown-preset", params=params, fix="fix_nearest" if close else "fix")
