"""What a model computes: the work of one call, entry by entry of its schedule. `schema.work` says what is counted."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from eulerstack.ir.modules import EVALUATIONS, bodies_of, ends_streams
from eulerstack.ir.nodes import Block, DepthGating, HyperConnection, Integrator, Layer, Model, Node, Parallel
from eulerstack.ir.parameters import (
    TIME_FREQUENCIES,
    entry_width,
    is_probed,
    merge_parameters,
    shape_change_parameters,
)
from eulerstack.ir.tissue import deliveries
from eulerstack.records import dataclass
from eulerstack.schema.ffn import Moe
from eulerstack.schema.mixers import Attention, Branched
from eulerstack.schema.work import NOTHING, Call, Work, applied, product, scan, seen_keys, total


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelWork:
    """The work of one call: of each entry of the schedule, and of all the rest (projections of the embedding, readout,
    in training also further predictions and further readouts).
    """

    entries: tuple[Work, ...]
    rest: Work

    @property
    def whole(self) -> Work:
        """All of it."""
        return total(self.entries) + self.rest


def model_work(model: Model, call: Call) -> ModelWork:
    """The work of one call. In training every token is read out, else each sequence's last one."""
    counting = _Counting(model, call)
    entries = list(counting.entries(model.schedule))
    for index, exchange in deliveries(model):
        entries[index] += applied(exchange.parameters(), call.rows)
    return ModelWork(entries=tuple(entries), rest=_around(model, call) + _ahead(model, call))


class _Counting:
    """One walk over a schedule under one call; layers that are alike are counted once."""

    def __init__(self, model: Model, call: Call):
        self._model, self._call = model, call
        self._known: dict[tuple[str, str | None, DepthGating | None], Work] = {}

    def entries(self, nodes: Sequence[Node]) -> Iterator[Work]:
        """The work of each node of a list."""
        for index, node in enumerate(nodes):
            if isinstance(node, Layer):
                yield self._layer(nodes, index, node) + self._collapse(node, nodes[index + 1 : index + 2])
            elif isinstance(node, Parallel):
                yield self._bodies(node) + self._merge(node)
            else:
                yield self._integrator(node)

    def _bodies(self, node: Node) -> Work:
        return total(work for body in bodies_of(node) for work in self.entries(body))

    def _layer(self, nodes: Sequence[Node], index: int, layer: Layer) -> Work:
        lender = _lender(nodes, index)
        key = (layer.block, lender.block if lender else None, layer.depth_gating)
        if key not in self._known:
            keeper = self._model.block(lender.block).mixer if lender else None
            work = layer_work(self._model, layer.block, self._call, layer.depth_gating, keeper)
            self._known[key] = work
        return self._known[key]

    def _collapse(self, layer: Layer, following: Sequence[Node]) -> Work:
        block = self._model.block(layer.block)
        after = next((self._model.block(node.block) for node in following if isinstance(node, Layer)), None)
        return collapse_work(block, self._call) if ends_streams(block, after) else NOTHING

    def _merge(self, node: Parallel) -> Work:
        model, call, heads = self._model, self._call, self._model.n_heads * self._model.head_dim
        maps = merge_parameters(node.merge, len(node.streams), entry_width(model, node), heads)
        work = applied(maps, call.rows)
        if node.merge.type == "cross_attn":
            pairs = seen_keys(call) if call.kernels else call.tokens * call.end
            work += product(2 * call.batch, pairs, heads)
        return work

    def _integrator(self, node: Integrator) -> Work:
        if node.type == "discrete":
            return self._bodies(node)
        told = 2 * TIME_FREQUENCIES * entry_width(self._model, node)
        return (self._bodies(node) + scan(told, told)) * (node.steps * EVALUATIONS[node.type])


def layer_work(model: Model, name: str, call: Call, gating: DepthGating | None = None, keeper: object = None) -> Work:
    """One run of a plain layer. `keeper`: the attention whose keys it reads, if not its own.

    A depth-gated layer works on ⌊capacity · tokens⌋ tokens of a sequence, in decoding with that probability on the one;
    all rows at once where it ranks them in training, else row by row. Its router is a scan.
    """
    block, probed = model.block(name), is_probed(model) and call.training
    if gating is None:
        return _layer(model, block, call, keeper)
    scores = 2 if gating.router == "top_k" else 1
    router = scan(2 * scores * call.rows * block.d_model, 2 * scores * call.rows * block.d_model)
    if probed:
        router += product(call.rows, block.d_model)
    chosen = max(1, int(gating.capacity * call.tokens))
    inner = replace(call, tokens=chosen, past=int(gating.capacity * call.past), masked=call.training)
    if call.training and gating.router == "top_k":
        return router + _layer(model, block, inner, keeper)
    rows = _layer(model, block, replace(inner, batch=1), keeper) * call.batch
    return router + (rows if call.tokens > 1 else rows.share(gating.capacity))


def _layer(model: Model, block: Block, call: Call, keeper: object) -> Work:
    mixer, d_model = block.mixer, block.d_model
    if isinstance(mixer, Attention) and isinstance(keeper, Attention):
        work = mixer.borrowing(d_model, call, keeper)
    else:
        work = mixer.work(d_model, call)
    if block.shape_change:
        work += applied(shape_change_parameters(block.shape_change, block.d_in), call.rows)
    if block.memory:
        work += block.memory.work(d_model, call)
    if block.ffn:
        work += block.ffn.work(d_model, call)
    if block.residual.hyper:
        work += connection_work(block.residual.hyper, d_model, call) * (2 if block.ffn else 1)
    return work + (objectives_work(model, block, call) if call.training else NOTHING)


def objectives_work(model: Model, block: Block, call: Call) -> Work:
    """Differentiation objectives of a layer's routed units: the probes, and the experts' outputs compared, for which
    each token's experts run once more.
    """
    work, mixer, ffn = NOTHING, block.mixer, block.ffn
    if is_probed(model):
        choices = ffn.experts if isinstance(ffn, Moe) else 0
        choices += len(mixer.branches) if isinstance(mixer, Branched) and mixer.selector.type != "sum" else 0
        work += product(call.rows, block.d_model, choices)
    if isinstance(ffn, Moe) and ffn.top_k > 1 and compares_outputs(model):
        work += ffn.routed(block.d_model, call.rows * ffn.top_k) + product(call.rows, ffn.top_k**2, block.d_model)
    return work


def compares_outputs(model: Model) -> bool:
    """Whether different experts' outputs are driven apart."""
    return bool(model.training_hints["differentiation_objectives"]["expert_orthogonality_coef"])


def connection_work(hyper: HyperConnection, d_model: int, call: Call) -> Work:
    """Hyper-connections around one branch: what reads, writes and mixes n streams, and mixing them."""
    n = hyper.expand
    mixing = product(call.rows, n, n, d_model)
    match hyper.mixing:
        case "birkhoff":
            return mixing + product(call.rows, (2 + n) * n, n * d_model)
        case "unconstrained":
            told = 2 * call.rows * n * d_model
            return mixing + product(call.rows, n, d_model, n + 1) + scan(told, 2 * told)
        case "learned_lowrank":
            return mixing + product(n, n, (n + 1) // 2)


def collapse_work(block: Block, call: Call) -> Work:
    """n streams of mHC become one."""
    n = block.residual.hyper.expand if block.residual.hyper else 0
    return product(call.rows, n, n * block.d_model)


def _around(model: Model, call: Call) -> Work:
    """What stands before and after the layers; in training integrators with `output: token` read out every step."""
    read = replace(call, tokens=call.tokens if call.training else 1)
    states = [node.steps for node in model.schedule if isinstance(node, Integrator) and node.output == "token"]
    extra = (_projected(model, call) + _readout(model, call)) * (sum(states) if call.training else 0)
    return _projected(model, call) * 2 + _readout(model, read) + extra


def _ahead(model: Model, call: Call) -> Work:
    """The chain that predicts further tokens: in training only. Step k has k tokens less, but is read out in full."""
    mtp = model.head.mtp
    if mtp is None or not call.training:
        return NOTHING
    block, d_model, work = model.block(mtp.head_template), model.d_model, NOTHING
    for step in range(1, mtp.n_predict + 1):
        if step >= call.tokens:
            break
        inner = replace(call, tokens=call.tokens - step)
        work += _projected(model, inner) + product(inner.rows, 2 * d_model, d_model)
        work += layer_work(model, mtp.head_template, inner) * mtp.head_layers
        work += collapse_work(block, inner) if ends_streams(block, None) else NOTHING
        work += _projected(model, call) + _readout(model, call)
    return work


def _projected(model: Model, call: Call) -> Work:
    """The projection between the token table's width and the stream's, one way."""
    width = model.embedding.d_embed
    return product(call.rows, width, model.d_model) if width != model.d_model else NOTHING


def _readout(model: Model, call: Call) -> Work:
    """Logits; in training with both gradients, which the loss computes on the way."""
    return product((3 if call.training else 1) * call.rows, model.embedding.d_embed, model.vocab_size, grads=0)


def _lender(nodes: Sequence[Node], index: int) -> Layer | None:
    """The layer whose keys and values the layer at `index` reads, at the end of its chain of `kv_from`."""
    lender = None
    while isinstance(node := nodes[index], Layer) and node.kv_from is not None:
        index += node.kv_from
        lender = nodes[index]
    return lender if isinstance(lender, Layer) else None
