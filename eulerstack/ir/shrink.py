"""The tiny twin of a model: the same pattern of blocks, small enough for a laptop and a test.

What makes the architecture what it is stays: which block follows which, query heads per key/value head, ffn width per
stream width, experts chosen per token, windows shorter than the sequence. The twin is 64 wide and 256 tokens long, with
a vocabulary of 320 that holds a byte tokenizer's 256 bytes and special tokens. Where many different layers would make
it large all the same, its ffns are narrower, and at last its stream.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import isclose, sqrt
from typing import TypeVar

from eulerstack.ir.canonical import lowered
from eulerstack.ir.fold import Run, fold
from eulerstack.ir.lower import lower
from eulerstack.ir.nodes import Integrator, Layer, Model, Node, Parallel, Stream
from eulerstack.ir.print import to_plain
from eulerstack.ir.shrink_templates import HEAD_DIM, LATENT_ROPE_DIM, Plain, Scale, attentions, shrink_template
from eulerstack.ir.totals import count
from eulerstack.schema import Spec

VOCAB_SIZE = 320
MAX_SEQ_LEN = 256
WIDTHS = ((64, 256), (64, 128), (64, 64), (48, 64))
"""The stream's width, and the largest of an ffn (of experts half as much): the first that keep the twin small."""

LARGEST = 1_000_000
"""Parameters of a small twin."""

FEW_LAYERS = 8
"""A run of one block is kept twice where the twin stays this short."""

AnyNode = TypeVar("AnyNode", Node, Layer)


def shrink(original: Spec | Model) -> Model:
    """The tiny twin, itself a canonical model. Raises EulerStackError where the spec cannot be lowered."""
    model = lower(original) if isinstance(original, Spec) else original
    for d_model, largest_ff in WIDTHS:
        twin = _twin(model, d_model, largest_ff)
        if count(twin).total < LARGEST:
            break
    return twin


def _twin(model: Model, d_model: int, largest_ff: int) -> Model:
    plain = to_plain(replace(model, schedule=_shrink_schedule(model.schedule)))
    scale = Scale(width=d_model / model.d_model, length=MAX_SEQ_LEN / model.max_seq_len, largest_ff=largest_ff)
    _shrink_model(plain, model, scale)
    _shrink_embedding(plain, model, scale)
    for block in model.blocks:
        template = plain["layer_templates"][block.name]
        shrink_template(template, scale, scale.wide(block.d_model))
        if (factors := (model.embedding.rope_scaling or {}).get("long_factor")) is not None:
            for attention in attentions(template["mixer"]):
                _rotate_few(attention, _few_pairs(factors))
    _shrink_sections(plain, scale)
    return lowered(plain, "twin")


def _shrink_model(plain: Plain, model: Model, scale: Scale) -> None:
    n_heads, n_kv_heads = scale.heads(model.n_heads, model.n_kv_heads)
    name = model.name if model.name.endswith("-tiny") else f"{model.name}-tiny"
    plain["model"] |= {
        "name": name,
        "d_model": scale.wide(model.d_model),
        "vocab_size": VOCAB_SIZE,
        "max_seq_len": MAX_SEQ_LEN,
        "n_heads": n_heads,
        "n_kv_heads": n_kv_heads,
        "head_dim": HEAD_DIM,
        "d_ff": scale.d_ff(model.d_ff),
    }
    plain["model"].pop("target_params", None)
    written = plain["tokenizer_contract"]
    plain["tokenizer_contract"] = {"type": "byte", "add_bos": written["add_bos"], "add_eos": written["add_eos"]}


def _shrink_embedding(plain: Plain, model: Model, scale: Scale) -> None:
    embedding = plain["embedding"]
    if isclose(model.embedding.scale, sqrt(model.d_model), rel_tol=0.01):
        embedding["scale"] = sqrt(scale.wide(model.d_model))
    embedding["d_embed"] = scale.wide(model.embedding.d_embed)
    scaling = embedding.get("rope_scaling")
    if not scaling:
        return
    if "original_max_seq_len" in scaling:
        scaling["original_max_seq_len"] = max(1, round(scaling["original_max_seq_len"] * scale.length))
    for key in ("short_factor", "long_factor"):
        if key in scaling:
            scaling[key] = _spread(scaling[key], _few_pairs(scaling[key]))


def _few_pairs(factors: list[float]) -> int:
    """How many pairs of a twin's heads are rotated where longrope has a factor for each."""
    return min(len(factors), LATENT_ROPE_DIM // 2)


def _rotate_few(attention: Plain, pairs: int) -> None:
    """Let an attention rotate so many pairs by scaled angles."""
    if not attention["rope"] or not attention["rope_scaled"]:
        return
    rotated = attention.get("mla", attention)
    if rotated.get("rope_dim"):
        rotated["rope_dim"] = 2 * pairs


def _spread(values: list[float], count: int) -> list[float]:
    """`count` of the values, evenly chosen from the first to the last."""
    last = len(values) - 1
    return [values[round(i * last / (count - 1))] for i in range(count)]


def _shrink_sections(plain: Plain, scale: Scale) -> None:
    scaling = plain["training_hints"]["scaling"]
    if "base_width" in scaling:
        scaling["base_width"] = scale.wide(scaling["base_width"])
    for mode in plain.get("execution_modes", ()):
        mode["max_tokens"] = max(1, int(mode["max_tokens"] * scale.length))
    if mtp := plain["head"].get("mtp"):
        mtp |= {"n_predict": min(mtp["n_predict"], 2), "head_layers": min(mtp["head_layers"], 2)}


def _shrink_schedule(schedule: tuple[Node, ...]) -> tuple[Node, ...]:
    return tuple(_shrink_node(node) for node in _shorten(schedule))


def _shrink_node(node: Node) -> Node:
    match node:
        case Parallel():
            streams = [Stream(name=stream.name, body=_shorten(stream.body)) for stream in node.streams]
            return replace(node, streams=tuple(streams))
        case Integrator():
            return replace(node, steps=min(node.steps, 2), body=_shorten(node.body))
    return node


def _shorten(nodes: tuple[AnyNode, ...]) -> tuple[AnyNode, ...]:
    """At least one period of every run, in the order of the original."""
    runs = fold(nodes)
    kept = _kept(runs, 0, 2)
    if len(kept) > FEW_LAYERS:
        kept = _kept(runs, 0, 1)
    return _relinked(nodes, kept)


def _kept(runs: Sequence[Run], start: int, times: int) -> list[int]:
    """The positions that stay: a run of one block up to `times` over, any other period once.

    Inside a period repeats are the pattern (3 : 1 stays 3 : 1), unless it is long.
    """
    kept: list[int] = []
    for run in runs:
        if run.leaf is not None:
            kept += range(start, start + min(run.repeat, times))
        else:
            period = run.length // run.repeat
            kept += _kept(run.runs, start, period if period <= FEW_LAYERS else 2)
        start += run.length
    return kept


def _relinked(nodes: tuple[AnyNode, ...], kept: list[int]) -> tuple[AnyNode, ...]:
    """The kept nodes, `kv_from` counted anew: to the same layer, else to the last one before that is like it."""
    short: list[AnyNode] = []
    for index in kept:
        node = nodes[index]
        if isinstance(node, Layer) and node.kv_from is not None:
            source = index + node.kv_from
            place = kept.index(source) if source in kept[: len(short)] else _last(short, nodes[source])
            node = replace(node, kv_from=None if place is None else place - len(short))
        short.append(node)
    return tuple(short)


def _last(nodes: list[AnyNode], wanted: AnyNode) -> int | None:
    return next((i for i in reversed(range(len(nodes))) if nodes[i] == wanted), None)
