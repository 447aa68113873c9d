"""Every tensor of the built model: its state_dict name, shape and start, without building it."""

from collections.abc import Iterator
from dataclasses import replace
from math import log

from eulerstack.ir.hyper_parameters import collapse_parameters, connection_parameters
from eulerstack.ir.modules import Numbered, bodies_of, learned_collapses, number_modules
from eulerstack.ir.nodes import (
    Block,
    DepthGating,
    Integrator,
    Layer,
    Merge,
    Model,
    MultiTokenPrediction,
    Node,
    Norm,
    Parallel,
    ShapeChange,
)
from eulerstack.ir.precision import is_layered, patterns, under_policy
from eulerstack.ir.tissue import exchanges
from eulerstack.schema.base import ONES, ZEROS, Init, Parameter, linear
from eulerstack.schema.ffn import Moe
from eulerstack.schema.mixers.branched import Branched

KEYS_AND_VALUES = ("k_proj.", "v_proj.", "k_norm.")
"""What an attention with `kv_from` does not have: it attends to another layer's."""


CONV_KERNEL = 3
"""Width of shape_change's causal convolution."""

TIME_FREQUENCIES = 8
"""How many sine waves tell an ODE's body the time."""


def parameter_table(model: Model) -> tuple[Parameter, ...]:
    """All parameters, embeddings first, then layer by layer, then norm and readout; a tied readout is left out."""
    return tuple(under_policy(model, _model_parameters(model)))


def fp32_patterns(model: Model) -> list[str]:
    """Which tensors the model's dtype policy keeps in fp32 beyond the state constants: regular expressions of names."""
    return patterns(parameter_table(model)) if is_layered(model) else []


def root_parameters(model: Model) -> tuple[Parameter, ...]:
    """The parameters outside the layers: embeddings, final norm, readout."""
    return (*_embedding_parameters(model), *_final_parameters(model))


def layer_parameters(block: Block, layer: Layer, vocab_size: int, *, probed: bool = False) -> tuple[Parameter, ...]:
    """The parameters of one plain layer, named below `model.layers.{i}`."""
    return tuple(_layer_parameters(block, layer, vocab_size, probed))


def norm_parameters(name: str, norm: Norm, width: int) -> Iterator[Parameter]:
    """The weight `[width]` of a norm, and a layernorm's bias; neither without `affine`.

    With `unit_offset` the weight is stored as w − 1.
    """
    if not norm.affine:
        return
    yield Parameter(f"{name}.weight", (width,), ZEROS if norm.unit_offset else ONES)
    if norm.type == "layernorm":
        yield Parameter(f"{name}.bias", (width,), ZEROS)


def norm_names(block: Block) -> tuple[str, ...]:
    """The norms of one plain layer in the order of use.

    Around each branch: before it (pre, sandwich) and after it (sandwich, output; for post after the addition). Parallel
    branches share the norm before them, and under post the one after their sum.
    """
    before, after = {
        "pre": (True, False),
        "post": (False, True),
        "sandwich": (True, True),
        "output": (False, True),
    }[block.norm.position]
    parallel = block.residual.type == "parallel"
    names = ["mixer_norm"] * before + ["mixer_post_norm"] * after
    if block.ffn is not None:
        names += ["ffn_norm"] * (before and not parallel)
        names += ["ffn_post_norm"] * (after and not (parallel and block.norm.position == "post"))
    return tuple(names)


def _model_parameters(model: Model) -> Iterator[Parameter]:
    yield from _embedding_parameters(model)
    numbered = number_modules(model.schedule)
    for index, (block, layer) in _distinct_layers(model, numbered).items():
        for parameter in layer_parameters(block, layer, model.vocab_size, probed=is_probed(model)):
            yield parameter.below(f"model.layers.{index}")
    for entry in numbered:
        yield from entry_parameters(model, entry)
    for index, block in enumerate(learned_collapses(model)):
        assert block.residual.hyper is not None
        for parameter in collapse_parameters(block.residual.hyper, block.d_model):
            yield parameter.below(f"model.collapses.{index}")
    for index, exchange in enumerate(exchanges(model)):
        for parameter in exchange.parameters():
            yield parameter.below(f"model.lateral.{index}")
    yield from _final_parameters(model)


def _distinct_layers(model: Model, numbered: tuple[Numbered, ...]) -> dict[int, tuple[Block, Layer]]:
    """Each module below `model.layers`, at its first use."""
    first: dict[int, tuple[Block, Layer]] = {}
    for entry in numbered:
        for body in entry.bodies:
            for layer, index in body:
                first.setdefault(index, (model.block(layer.block), layer))
    return first


def entry_parameters(model: Model, entry: Numbered) -> Iterator[Parameter]:
    """What a schedule entry has besides its layers, under full names: a merge's maps, an ODE's sense of time."""
    width = entry_width(model, entry.node)
    match entry.node:
        case Parallel(streams=streams, merge=merge):
            for parameter in merge_parameters(merge, len(streams), width, model.n_heads * model.head_dim):
                yield parameter.below(f"model.merges.{entry.own}")
        case Integrator() if entry.own is not None:
            init = Init("hidden", fan_in=TIME_FREQUENCIES, fan_out=width)
            yield Parameter(f"model.times.{entry.own}.weight", (width, TIME_FREQUENCIES), init)


def entry_width(model: Model, node: Node) -> int:
    """The width of the stream that enters a schedule entry."""
    return model.block(bodies_of(node)[0][0].block).d_in


def merge_parameters(merge: Merge, streams: int, d: int, heads: int) -> Iterator[Parameter]:
    """The maps of a merge of streams `d` wide, `heads` the width of all of the model's heads."""
    if merge.projection:
        yield from linear("projection", streams * d if merge.type == "concat" else d, d, kind="residual")
    if merge.type == "gated":
        yield from linear("gate", d, streams, kind="router")
    if merge.type == "cross_attn":
        for name in ("q_proj", "k_proj", "v_proj"):
            yield from linear(name, d, heads)
        yield from linear("o_proj", heads, d, kind="residual")


def _hash_table(moe: Moe, vocab_size: int) -> Parameter:
    """Which experts each token goes to; it hangs on the vocabulary, so the part alone cannot state it."""
    arguments = (("experts", moe.experts), ("salt", moe.routing.hash_salt or 0))
    shape = (vocab_size, moe.top_k)
    return Parameter("expert_of_token", shape, Init("hash_experts", arguments=arguments), buffer=True, integer=True)


def _depth_parameters(gating: DepthGating, d: int) -> Iterator[Parameter]:
    """The router starts by choosing as many tokens as the capacity says."""
    share = min(max(gating.capacity, 0.01), 0.99)
    yield Parameter("weight", (d,), Init("router", fan_in=d, fan_out=1))
    if gating.router == "top_k":
        yield Parameter("predictor", (d,), Init("zeros", fan_in=d, fan_out=1))
    yield Parameter("bias", (1,), Init("constant", value=log(share / (1 - share))))


def shape_change_parameters(change: ShapeChange, d_in: int) -> Iterator[Parameter]:
    """The map of a stream `d_in` wide to its new width."""
    match change.projection:
        case "linear":
            yield from linear("proj", d_in, change.d_out)
        case "mlp":
            yield from linear("up_proj", d_in, change.d_out)
            yield from linear("down_proj", change.d_out, change.d_out)
        case "conv1d":
            init = Init("hidden", fan_in=CONV_KERNEL * d_in, fan_out=CONV_KERNEL * change.d_out)
            yield Parameter("conv.weight", (change.d_out, d_in, CONV_KERNEL), init)


def _embedding_parameters(model: Model) -> Iterator[Parameter]:
    d, vocab, width = model.d_model, model.vocab_size, model.embedding.d_embed
    yield Parameter("model.embed_tokens.weight", (vocab, width), Init("embedding", fan_in=vocab, fan_out=width))
    if width != d:
        yield from linear("model.embed_in", width, d)
    if model.embedding.positional == "learned":
        length = model.max_seq_len
        yield Parameter("model.embed_positions.weight", (length, d), Init("embedding", fan_in=length, fan_out=d))


def _final_parameters(model: Model) -> Iterator[Parameter]:
    if model.head.final_norm:
        yield from norm_parameters("model.norm", model.head.final_norm, model.d_model)
    width = model.embedding.d_embed
    if width != model.d_model:
        yield from linear("model.embed_out", model.d_model, width)
    if not model.head.tie_weights:
        shape = (model.vocab_size, width)
        yield Parameter("lm_head.weight", shape, Init("readout", fan_in=width, fan_out=model.vocab_size))
    if mtp := model.head.mtp:
        for step in range(mtp.n_predict):
            for parameter in _prediction_parameters(model, mtp):
                yield replace(parameter.below(f"model.mtp.{step}"), active=0)


def _prediction_parameters(model: Model, mtp: MultiTokenPrediction) -> Iterator[Parameter]:
    """One step of the chain that predicts further tokens. No token needs it, so none of it is active."""
    block, d = model.block(mtp.head_template), model.d_model
    for name in ("enorm", "hnorm"):
        yield from norm_parameters(name, block.norm, d)
    yield from linear("eh_proj", 2 * d, d)
    for index in range(mtp.head_layers):
        for parameter in layer_parameters(block, Layer(block=block.name), model.vocab_size, probed=is_probed(model)):
            yield parameter.below(f"layers.{index}")
    if (hyper := block.residual.hyper) and hyper.mixing == "birkhoff":
        for parameter in collapse_parameters(hyper, d):
            yield parameter.below("collapses.0")
    yield from norm_parameters("norm", block.norm, d)


def is_probed(model: Model) -> bool:
    """Whether every routed unit has a probe that predicts its choice."""
    return bool(model.training_hints["differentiation_objectives"]["usage_probe_coef"])


def _layer_parameters(block: Block, layer: Layer, vocab_size: int, probed: bool) -> Iterator[Parameter]:
    if probed:
        yield from _probe_parameters(block, layer)
    if block.shape_change:
        yield from (p.below("shape_change") for p in shape_change_parameters(block.shape_change, block.d_in))
    norms = norm_names(block)
    yield from _norms(block, norms, "mixer_norm")
    for parameter in block.mixer.parameters(block.d_model):
        if layer.kv_from is None or not parameter.name.startswith(KEYS_AND_VALUES):
            yield parameter.below("mixer")
    if block.memory:
        yield from (parameter.below("memory") for parameter in block.memory.parameters(block.d_model))
    yield from _norms(block, norms, "mixer_post_norm")
    yield from _norms(block, norms, "ffn_norm")
    if block.ffn:
        yield from (parameter.below("ffn") for parameter in block.ffn.parameters(block.d_model))
        if isinstance(block.ffn, Moe) and block.ffn.routing.type == "hash":
            yield _hash_table(block.ffn, vocab_size).below("ffn.router")
    yield from _norms(block, norms, "ffn_post_norm")
    if layer.depth_gating:
        yield from (p.below("depth") for p in _depth_parameters(layer.depth_gating, block.d_model))
    if hyper := block.residual.hyper:
        for index, branch in enumerate(("mixer", "ffn") if block.ffn else ("mixer",)):
            yield from (p.below(f"{branch}_hyper") for p in connection_parameters(hyper, block.d_model, index))


def _probe_parameters(block: Block, layer: Layer) -> Iterator[Parameter]:
    """The maps from the input of each routed unit of a layer to its choices; no token needs them."""
    choices = {
        "mixer": len(block.mixer.branches)
        if isinstance(block.mixer, Branched) and block.mixer.selector.type != "sum"
        else 0,
        "ffn": block.ffn.experts if isinstance(block.ffn, Moe) else 0,
        "depth": 1 if layer.depth_gating else 0,
    }
    for unit, count in choices.items():
        if count:
            name, d = f"{unit}.objectives.probe", block.d_model
            yield Parameter(f"{name}.weight", (count, d), Init("zeros", fan_in=d, fan_out=count), active=0)
            yield Parameter(f"{name}.bias", (count,), ZEROS, active=0)


def _norms(block: Block, present: tuple[str, ...], name: str) -> Iterator[Parameter]:
    if name in present:
        yield from norm_parameters(name, block.norm, block.d_model)
