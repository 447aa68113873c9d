"""The sliders of an editor: which values of a spec they turn, and between which bounds."""

from collections.abc import Callable, Iterator

import ipywidgets as w

from eulerstack.dsl.tree import Mapping, Path, Scalar, Sequence, find
from eulerstack.ir.nodes import Model
from eulerstack.records import dataclass
from eulerstack.widgets.view import label
from eulerstack.widgets.yaml_edit import Plain

WIDTH_STEP = 64
LARGEST_REPEAT = 128
CONTEXTS = tuple(2**power for power in range(7, 21))
EXPERTS = (2, 4, 8, 16, 32, 64, 128, 256)

Change = tuple[Path, Plain]


@dataclass(frozen=True, slots=True, kw_only=True)
class Knob:
    """One slider: the values it can have, its value now, and what a value changes in the spec."""

    name: str
    options: tuple[int, ...]
    value: int
    changes: Callable[[int], list[Change]]


def knobs(authored: Mapping, model: Model) -> Iterator[Knob]:
    """The knobs that a valid spec has: a spec without experts has none for them."""
    yield _width(model)
    yield _heads(authored, model)
    if repeat := _repeat(authored):
        yield repeat
    if experts := _experts(authored):
        yield experts
    yield _with("max_seq_len", CONTEXTS, model.max_seq_len, ("model", "max_seq_len"))


def _with(name: str, options: tuple[int, ...], value: int, *paths: Path) -> Knob:
    known = tuple(sorted({*options, value}))
    return Knob(name=name, options=known, value=value, changes=lambda new: [(path, new) for path in paths])


def _width(model: Model) -> Knob:
    """Widths that the heads divide where their width is not written, up to four times the present one."""
    step = WIDTH_STEP
    while step % model.n_heads:
        step += WIDTH_STEP
    widths = tuple(range(step, max(4 * model.d_model, 1024) + 1, step))
    return _with("d_model", widths, model.d_model, ("model", "d_model"))


def _heads(authored: Mapping, model: Model) -> Knob:
    """Numbers of heads that divide the width; groups of keys and values keep their ratio where it stays whole."""
    width = model.d_model
    options = tuple(
        heads for heads in range(1, min(width // 8, 256) + 1) if not width % heads and not width // heads % 2
    )
    written = isinstance(find(authored, ("model", "n_kv_heads")), Scalar)
    group = model.n_heads // model.n_kv_heads

    def changes(heads: int) -> list[Change]:
        groups = next(n for n in range(group, 0, -1) if not heads % n)
        kept = [(("model", "n_kv_heads"), heads // groups)] if written else []
        return [(("model", "n_heads"), heads), *kept]

    return Knob(name="n_heads", options=tuple(sorted({*options, model.n_heads})), value=model.n_heads, changes=changes)


def _repeat(authored: Mapping) -> Knob | None:
    """How often the schedule's largest entry is repeated; None where no entry can be."""
    schedule = authored.get("layer_schedule")
    entries = schedule.items if isinstance(schedule, Sequence) else ()
    found = [
        (_number(entry.get("repeat")), -index, entry)
        for index, entry in enumerate(entries)
        if isinstance(entry, Mapping) and (entry.get("template") or entry.get("group"))
    ]
    if not found:
        return None
    value, index, entry = max(found, key=lambda each: each[:2])
    template = entry.get("template")
    name = str(template.plain()) if template else "group"
    options = tuple(range(1, max(LARGEST_REPEAT, value) + 1))
    return _with(label("editor.layers", entry=name), options, value, ("layer_schedule", -index, "repeat"))


def _number(node: object) -> int:
    return node.value if isinstance(node, Scalar) and isinstance(node.value, int) else 1


def _experts(authored: Mapping) -> Knob | None:
    """The number of experts of every template that writes one."""
    templates = authored.get("layer_templates")
    names = list(templates.keys()) if isinstance(templates, Mapping) else []
    paths: list[Path] = [("layer_templates", name, "ffn", "moe", "experts") for name in names]
    written = [(path, node) for path in paths if isinstance(node := find(authored, path), Scalar)]
    if not written:
        return None
    value = max(_number(node) for _, node in written)
    top = [_number(find(authored, (*path[:-1], "top_k"))) for path, _ in written]
    options = tuple(count for count in EXPERTS if count >= max(top))
    return _with("experts", options, value, *(path for path, _ in written))


def slider(knob: Knob) -> w.SelectionSlider:
    """The control of a knob; it tells its value when it is let go or moved by a key."""
    return w.SelectionSlider(
        description=knob.name,
        options=[(str(option), option) for option in knob.options],
        value=knob.value,
        continuous_update=False,
        style={"description_width": "170px"},
        layout={"width": "460px"},
    )
