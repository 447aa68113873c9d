"""Checks of the schedule: every name leads somewhere, overrides have an object, streams can be merged."""

from collections.abc import Iterator

from eulerstack.dsl.tree import Path, Scalar, find
from eulerstack.schema.findings import Findings
from eulerstack.schema.parts import Parts, TemplateParts
from eulerstack.schema.schedule import EntryKeys, IntegratorEntryKeys, OverrideKeys, ParallelKeys, PlainKeys


def check_schedule(parts: Parts, findings: Findings) -> None:
    """All checks of this file, and the templates that nothing uses."""
    used: set[str] = set()
    for path, name in _references(parts):
        used.add(name)
        if name not in parts.templates:
            findings.unknown("unknown-template", path, name, parts.templates)
    for path, entry in parts.entries:
        match entry:
            case PlainKeys(override=OverrideKeys() as override) if entry.template in parts.templates:
                _check_override(parts, parts.templates[entry.template], override, (*path, "override"), findings)
            case ParallelKeys():
                _check_parallel(parts, entry, path, findings)
    if parts.head and parts.head.mtp:
        used.add(parts.head.mtp.head_template)
    for name in parts.templates:
        if name not in used:
            findings.add("unused-template", ("layer_templates", name), key=True, name=name)


def _references(parts: Parts) -> Iterator[tuple[Path, str]]:
    """Every template's name in the schedule, also of entries with faults elsewhere."""
    for path, entry in parts.entries:
        for below in _reference_paths(entry):
            node = find(parts.root, (*path, *below))
            if isinstance(node, Scalar) and isinstance(node.value, str) and node.value:
                yield (*path, *below), node.value


def _reference_paths(entry: EntryKeys) -> Iterator[Path]:
    if isinstance(entry, PlainKeys):
        yield ("template",)
    if isinstance(entry, IntegratorEntryKeys):
        yield ("integrator", "body")


def _check_override(
    parts: Parts, template: TemplateParts, override: OverrideKeys, path: Path, findings: Findings
) -> None:
    sections = {field.partition("_")[0] for field in override.model_fields_set}
    if "attention" in sections and template.mixer and template.mixer.type != "attention":
        for key in ("attention.window", "attention.attn_drop"):
            if find(parts.root, (*path, key)) is not None:
                findings.add("override-without-object", (*path, key), key=True, key_name=key, type=template.mixer.type)
        return
    if "ffn" in sections and template.ffn and template.ffn.type == "none":
        findings.add(
            "override-without-object", (*path, "ffn.activation"), key=True, key_name="ffn.activation", type="none"
        )


def _check_parallel(parts: Parts, entry: ParallelKeys, path: Path, findings: Findings) -> None:
    names: set[str] = set()
    for index, stream in enumerate(entry.parallel):
        if stream.stream in names:
            findings.add("duplicate-name", (*path, "parallel", index, "stream"), name=stream.stream, list="parallel")
        names.add(stream.stream)
    merge, at = entry.merge, (*path, "merge")
    if merge.type == "concat" and parts.written(*at, "projection") and not merge.projection:
        findings.add("concat-needs-projection", (*at, "projection"))
    if not parts.sound(*at):
        return
    ends = {"from": merge.source, "to": merge.target}
    if merge.type != "cross_attn":
        for key, name in ends.items():
            if name is not None:
                findings.add("merge-end-unused", (*at, key), key=True, key_name=key, type=merge.type)
        return
    if len(entry.parallel) != 2:
        findings.add("cross-attention-streams", (*at, "type"), count=len(entry.parallel))
    for key, name in ends.items():
        if name is None:
            findings.add("merge-end-missing", (*at, "type"), key_name=key, streams=", ".join(sorted(names)))
        elif name not in names:
            findings.unknown("unknown-stream", (*at, key), name, names)
    if merge.source is not None and merge.source == merge.target:
        findings.add("merge-ends-equal", (*at, "to"), name=merge.source)
