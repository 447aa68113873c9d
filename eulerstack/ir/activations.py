"""What training keeps for the backward pass, layer by layer. `schema.saved` says what is counted."""

from collections.abc import Iterator
from dataclasses import replace

from eulerstack.ir.flops import compares_outputs
from eulerstack.ir.modules import EVALUATIONS, bodies_of, learned_collapses
from eulerstack.ir.nodes import Block, DepthGating, HyperConnection, Integrator, Layer, Model, Node, Norm, Parallel
from eulerstack.ir.parameters import entry_width, norm_names
from eulerstack.records import dataclass
from eulerstack.schema.ffn import Moe
from eulerstack.schema.mixers import Attention
from eulerstack.schema.saved import NONE, Saved, layer_norm, rms_norm, together
from eulerstack.schema.work import Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Activations:
    """`entries`: of each entry of the schedule; `ahead`: of the layers that predict further tokens; `inputs`: the
    streams that enter all of these, which is what checkpointing keeps of them; `largest`: of the layer that keeps most,
    which checkpointing computes anew; `around`: of what stands between layers (merges of streams, the end of
    hyper-connections, depth routers), and ALiBi's biases; `head`: of final norms and readouts, but for the logits of
    the last state.
    """

    entries: tuple[Saved, ...]
    ahead: Saved
    inputs: Saved
    largest: Saved
    around: Saved
    head: Saved


def activations(model: Model, call: Call) -> Activations:
    """What one training call keeps."""
    runs = [list(_runs(model, node)) for node in model.schedule]
    ahead = list(_ahead(model))
    kinds = {(run.block, run.gating) for entry in [*runs, ahead] for run in entry}
    layers = {kind: layer_saved(model, *kind, call) for kind in kinds}
    each = [run for entry in [*runs, ahead] for run in entry]
    return Activations(
        entries=tuple(together(layers[run.block, run.gating] for run in entry) for entry in runs),
        ahead=together(layers[run.block, run.gating] for run in ahead),
        inputs=together(Saved(model=call.rows * run.width * run.share) for run in each),
        largest=max(layers.values(), key=lambda saved: saved.size(4)),
        around=_biases(model, call) + _between(model, call) + together(_routed(model, run, call) for run in each),
        head=_head(model, call),
    )


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of a layer: its block, its depth gating, and how wide what it reads is."""

    block: str
    gating: DepthGating | None
    width: int

    @property
    def share(self) -> float:
        """Which part of the tokens it sees."""
        return self.gating.capacity if self.gating else 1.0


def _runs(model: Model, node: Node) -> Iterator[_Run]:
    """The layers of an entry as they run. Inside a run of hyper-connected layers n streams enter."""
    again = 1
    if isinstance(node, Integrator) and node.type != "discrete":
        again = node.steps * EVALUATIONS[node.type]
    for _ in range(again):
        for body in bodies_of(node):
            before: Block | None = None
            for layer in body:
                block = model.block(layer.block)
                hyper = block.residual.hyper
                inside = isinstance(node, Layer) or (before is not None and before.residual.hyper == hyper)
                streams = hyper.expand if hyper and inside and not block.shape_change else 1
                borrowed = block.mixer.entry_width if layer.kv_from and isinstance(block.mixer, Attention) else 0
                yield _Run(layer.block, layer.depth_gating, streams * block.d_in + borrowed)
                before = block


def _ahead(model: Model) -> Iterator[_Run]:
    if mtp := model.head.mtp:
        yield from [_Run(mtp.head_template, None, model.d_model)] * (mtp.n_predict * mtp.head_layers)


def layer_saved(model: Model, name: str, gating: DepthGating | None, call: Call) -> Saved:
    """What one run of a layer keeps; of a depth-gated one for its chosen tokens."""
    block = model.block(name)
    if gating is None:
        return _layer(model, block, call)
    chosen = max(1, int(gating.capacity * call.tokens))
    return _layer(model, block, replace(call, tokens=chosen, masked=True))


def _routed(model: Model, run: _Run, call: Call) -> Saved:
    """What a depth router keeps: the stream in fp32, and the chosen tokens' updates, which are weighed."""
    if run.gating is None:
        return NONE
    block = model.block(run.block)
    streams = block.residual.hyper.expand if block.residual.hyper else 1
    updates = Saved(model=run.share * call.rows * streams * block.d_model)
    return updates + Saved(fp32=call.rows * block.d_model, index=run.share * call.rows * streams * block.d_model / 2)


def _between(model: Model, call: Call) -> Saved:
    """Merges of streams, and where mHC's streams become one: those in fp32, bare and normed."""
    merges = together(_merged(model, node, call) for node in model.schedule if isinstance(node, Parallel))
    widths = [b.residual.hyper.expand * b.d_model for b in learned_collapses(model) if b.residual.hyper]
    collapses = Saved(fp32=2 * call.rows * sum(widths), copies=call.rows * sum(widths))
    return merges + collapses


def _layer(model: Model, block: Block, call: Call) -> Saved:
    d_model = block.d_model
    kept = block.mixer.saved(d_model, call)
    branches = 1
    if block.ffn:
        branches = 2
        kept += block.ffn.saved(d_model, call)
        if block.residual.type == "parallel":
            kept += Saved(model=-call.rows * d_model)  # both branches read one input
    if isinstance(block.ffn, Moe) and block.ffn.top_k > 1 and compares_outputs(model):
        kept += block.ffn.routed_saved(d_model, call.rows * block.ffn.top_k)
        kept += Saved(fp32=2 * call.rows * block.ffn.top_k * d_model)
    if block.memory:
        kept += block.memory.saved(d_model, call)
    kept += together(norm_saved(block.norm, call.rows, d_model) for _ in norm_names(block))
    if block.shape_change:
        kept += Saved(model=call.rows * block.d_in)
    if hyper := block.residual.hyper:
        kept += connection_saved(hyper, d_model, call) * branches
    if dropout := model.training_hints.get("dropout", 0.0):
        kept += Saved(model=call.rows * d_model * branches * bool(dropout) / 2)  # a byte each
    return kept


def connection_saved(hyper: HyperConnection, d_model: int, call: Call) -> Saved:
    """Around one branch: its update, and the streams, for dynamic weights in fp32, bare and normed."""
    n, streams = hyper.expand, hyper.expand * d_model
    copies, wide = streams, 0
    match hyper.mixing:
        case "birkhoff":
            wide = 2 * streams + 14 * n * n
        case "unconstrained":
            wide = 3 * streams + n * (n + 5)
        case "learned_lowrank":
            copies, wide = 0, streams
    return Saved(model=call.rows * d_model, fp32=call.rows * wide, copies=call.rows * copies)


def norm_saved(norm: Norm, rows: int, width: int) -> Saved:
    """What a norm keeps."""
    if norm.type == "layernorm":
        return layer_norm(rows, width)
    if not norm.affine or norm.unit_offset:
        return Saved(fp32=rows * width * (2 if norm.unit_offset and norm.affine else 1))
    return rms_norm(rows, width)


def _biases(model: Model, call: Call) -> Saved:
    """ALiBi's, one for all layers of a kind."""
    if model.embedding.positional != "alibi":
        return NONE
    heads = {(m.n_heads, m.window, m.window_mode) for block in model.blocks if isinstance(m := block.mixer, Attention)}
    return Saved(model=call.rows * call.tokens * sum(kind[0] for kind in heads))


def _merged(model: Model, node: Parallel, call: Call) -> Saved:
    width, streams = entry_width(model, node), len(node.streams)
    heads = model.n_heads * model.head_dim
    match node.merge.type:
        case "concat":
            numbers = streams * width
        case "gated":
            numbers = (streams + 2) * width
        case "cross_attn":
            numbers = 2 * width + 4 * heads
        case _:
            numbers = 0
    return Saved(model=call.rows * (numbers + width * (node.merge.projection and node.merge.type != "concat")))


def _head(model: Model, call: Call) -> Saved:
    """The final norm, and what the last readout reads; for every further one, which computes its gradients at once,
    those of its input and in fp32 of its matrix; and what the chain of further predictions has around its layers.
    """
    d_model, mtp = model.d_model, model.head.mtp
    ahead = mtp.n_predict if mtp else 0
    steps = sum(node.steps for node in model.schedule if isinstance(node, Integrator) and node.output == "token")
    final = model.head.final_norm
    kept = norm_saved(final, call.rows, d_model) * (1 + steps) if final else NONE
    projected = d_model if model.embedding.d_embed != d_model else 0
    width = model.embedding.d_embed
    read = Saved(model=call.rows * (width + projected))
    gradients = Saved(fp32=model.vocab_size * width)
    chained = NONE
    if mtp:
        norm = model.block(mtp.head_template).norm
        chained = (norm_saved(norm, call.rows, d_model) * 3 + Saved(model=call.rows * 2 * d_model)) * ahead
    return kept + read + (read + gradients) * (steps + ahead) + chained
