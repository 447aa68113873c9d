"""The schedule as it runs: which module's weights act where, in what order, and at which place of the cache.

A plain layer is a `LayerStep`; parallel streams and integrators are steps made of layer steps. All distinct layers lie
in `model.layers`; what stands between them lies in `model.merges`, `model.times` and `model.collapses`.

Shape suffixes: B batch, T tokens, M d_model.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import nn

from .attention_projections import span
from .differentiation import Tally
from .hyper_connections import BirkhoffCollapse, collapse_mean, collapse_sum
from .integrators import METHODS, OdeTime
from .lateral_exchange import Tissue
from .layer_output import LayerOutput
from .mixture_of_depths import run_gated
from .parallel_streams import StreamMerge
from .router_losses import Routing

KEYS_AND_VALUES = ("mixer.k_proj.", "mixer.v_proj.", "mixer.k_norm.")
"""What a layer that borrows keys does not have."""


class NodeBoundary(nn.Identity):
    """Passes the stream on between the schedule's entries: where `output_hidden_states` reads it."""


class RouterBoundary(nn.Flatten):
    """[B, T, E] → [B·T, E]: where `output_router_logits` reads every router's logits, in transformers' form."""

    def __init__(self):
        super().__init__(0, 1)


@dataclass
class Trace:
    """What a forward leaves beside the stream.

    Each router's doing, losses of layers, lent keys and values, each column's last output, states to read out, and by
    block what differentiation objectives say.
    """

    routings: list[Routing] = field(default_factory=list)
    layer_losses: list[torch.Tensor] = field(default_factory=list)
    lent: dict[int, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)
    columns: dict[int, torch.Tensor] = field(default_factory=dict)
    readouts: list[torch.Tensor] = field(default_factory=list)
    tallies: list[tuple[str, Tally]] = field(default_factory=list)

    def record(self, layer, logits: torch.Tensor, index: torch.Tensor, token_mask: torch.Tensor | None) -> None:
        """Note what a layer's router did."""
        self.routings.append(Routing(layer.ffn.router, logits, index, token_mask))

    def tally(self, layer, tally: Tally | None) -> None:
        """Note what differentiation objectives say of a layer's block."""
        if tally is not None:
            self.tallies.append((layer.block_name, tally))


@dataclass(frozen=True)
class LayerStep:
    """One plain layer: the index of its module, its place in the cache, and whose keys it reads (a place, or None).

    `column`: of the tissue, or None; `lateral`: what it receives from other columns, as pairs of an exchange's index
    below `model.lateral` and the column.
    """

    module: int
    cache_index: int
    kv_source: int | None = None
    column: int | None = None
    lateral: tuple[tuple[int, int], ...] = ()

    def run(self, model, hidden_states: torch.Tensor, context: dict, trace: Trace) -> torch.Tensor:
        """The stream [B, T, M] after this layer."""
        for index, column in self.lateral:
            hidden_states = model.lateral[index](hidden_states, trace.columns[column])
        hidden_states = self._run_layer(model, hidden_states, context, trace)
        if self.column is not None:
            trace.columns[self.column] = hidden_states
        return hidden_states

    def _run_layer(self, model, hidden_states: torch.Tensor, context: dict, trace: Trace) -> torch.Tensor:
        borrowed = (None, None) if self.kv_source is None else trace.lent[self.kv_source]
        layer = model.layers[self.module]
        if layer.depth is not None:
            return run_gated(model, layer, hidden_states, context, self.cache_index, trace)
        others = {name: value for name, value in context.items() if name != "embeddings"}
        embeddings = context["embeddings"] if layer.reads_embeddings else None
        # Reentrant checkpointing hands back a bare tuple.
        out = LayerOutput(*layer(hidden_states, *borrowed, embeddings, cache_index=self.cache_index, **others))
        if out.router_logits is not None:
            assert out.router_index is not None
            trace.record(layer, out.router_logits, out.router_index, context["token_mask"])
        if out.mixer_loss is not None:
            trace.layer_losses.append(out.mixer_loss)
        trace.tally(layer, out.objectives)
        if out.key is not None and out.value is not None:
            trace.lent[self.cache_index] = (out.key, out.value)
        return out.hidden_states

    def layer_steps(self) -> Iterator["LayerStep"]:
        """Every plain layer's run, in order."""
        yield self

    def state_layers(self, model) -> list:
        """Fresh cache layers, in the order of their places."""
        return model.layers[self.module].state_layers()


@dataclass(frozen=True)
class CollapseStep:
    """The end of a run of hyper-connected layers: n streams become one, by the learned collapse `index` if any."""

    mixing: str
    index: int | None

    def run(self, model, hidden_states: torch.Tensor, context: dict, trace: Trace) -> torch.Tensor:
        """[B, T, n, M] → [B, T, M]."""
        if self.index is not None:
            return model.collapses[self.index](hidden_states)
        return collapse_sum(hidden_states) if self.mixing == "unconstrained" else collapse_mean(hidden_states)

    def layer_steps(self) -> Iterator[LayerStep]:
        """None."""
        return iter(())

    def state_layers(self, model) -> list:
        """None."""
        return []


Body = tuple[LayerStep | CollapseStep, ...]


@dataclass(frozen=True)
class ParallelStep:
    """Streams that all start from the same state, and the index of the merge that joins their changes."""

    streams: tuple[Body, ...]
    merge: int
    cache_index: int

    def run(self, model, hidden_states: torch.Tensor, context: dict, trace: Trace) -> torch.Tensor:
        """x + merge(changes of the streams)."""
        outputs = [run_body(body, model, hidden_states, context, trace) for body in self.streams]
        return hidden_states + model.merges[self.merge](hidden_states, outputs, self.cache_index, context)

    def layer_steps(self) -> Iterator[LayerStep]:
        """Every plain layer's run, in order."""
        yield from layers_of(self.streams)

    def state_layers(self, model) -> list:
        """Fresh cache layers, in the order of their places."""
        return [*states_of(self, model), *model.merges[self.merge].state_layers()]


@dataclass(frozen=True)
class DiscreteStep:
    """A body several times over, each time with weights of its own; `readout`: every state is read out in training."""

    bodies: tuple[Body, ...]
    readout: bool

    def run(self, model, hidden_states: torch.Tensor, context: dict, trace: Trace) -> torch.Tensor:
        """The last state."""
        for body in self.bodies:
            hidden_states = run_body(body, model, hidden_states, context, trace)
            if self.readout and model.training:
                trace.readouts.append(hidden_states)
        return hidden_states

    def layer_steps(self) -> Iterator[LayerStep]:
        """Every plain layer's run, in order."""
        yield from layers_of(self.bodies)

    def state_layers(self, model) -> list:
        """Fresh cache layers, in the order of their places."""
        return states_of(self, model)


@dataclass(frozen=True)
class OdeStep:
    """dx/dτ = F(x, τ) from τ = 0 to 1 in equal steps. F is one body, evaluated with a cache of its own each time."""

    method: str
    steps: int
    evaluations: tuple[Body, ...]
    time: int
    readout: bool

    def run(self, model, hidden_states: torch.Tensor, context: dict, trace: Trace) -> torch.Tensor:
        """x(1)."""
        step, _ = METHODS[self.method]
        bodies = iter(self.evaluations)

        def derivative(x_BTM: torch.Tensor, tau: float) -> torch.Tensor:
            told_BTM = x_BTM + model.times[self.time](tau).to(x_BTM.dtype)
            return run_body(next(bodies), model, told_BTM, context, trace) - told_BTM

        for index in range(self.steps):
            hidden_states = step(derivative, hidden_states, index / self.steps, 1 / self.steps)
            if self.readout and model.training:
                trace.readouts.append(hidden_states)
        return hidden_states

    def layer_steps(self) -> Iterator[LayerStep]:
        """Every plain layer's run, in order."""
        yield from layers_of(self.evaluations)

    def state_layers(self, model) -> list:
        """Fresh cache layers, in the order of their places."""
        return states_of(self, model)


Step = LayerStep | CollapseStep | ParallelStep | DiscreteStep | OdeStep


def layers_of(bodies: tuple[Body, ...]) -> Iterator[LayerStep]:
    """Every plain layer's run in these bodies, in order."""
    return (layer_step for body in bodies for step in body for layer_step in step.layer_steps())


def states_of(step: Step, model) -> list:
    """Fresh cache layers of all plain layers inside a step."""
    return [state for layer_step in step.layer_steps() for state in layer_step.state_layers(model)]


def run_body(body: Body, model, hidden_states: torch.Tensor, context: dict, trace: Trace) -> torch.Tensor:
    """The stream after all layers of a body."""
    for step in body:
        hidden_states = step.run(model, hidden_states, context, trace)
    return hidden_states


def plan_layers(schedule: list[dict], blocks: list[dict]) -> dict[int, dict]:
    """For each module the block that it is built from, with what its place in the schedule adds.

    `borrows_keys` and `borrowed_window` where it attends to another layer's keys, `lends_keys` where others do.
    """
    plans: dict[int, dict] = {}
    for entries in _bodies(schedule):
        for index, entry in enumerate(entries):
            if "block" not in entry:
                continue
            plan = plans.setdefault(entry["module"], dict(blocks[entry["block"]]))
            plan["depth_gating"] = entry["depth_gating"]
            plan["init"] = plan["init"] | entry["init"]
            if entry["kv_from"] is not None:
                lender = _lender(entries, index)
                plan["borrows_keys"] = True
                plan["borrowed_window"] = _stored_window(blocks[lender["block"]])
                plan["init"] = {n: law for n, law in plan["init"].items() if not n.startswith(KEYS_AND_VALUES)}
                plans[lender["module"]]["lends_keys"] = True
    return dict(sorted(plans.items()))


def _bodies(schedule: list[dict]) -> Iterator[list[dict]]:
    """The schedule itself, and every body inside it: the lists that a kv_from counts in."""
    yield schedule
    for entry in schedule:
        if "parallel" in entry:
            yield from (stream["body"] for stream in entry["parallel"]["streams"])
        elif "integrator" in entry:
            yield from entry["integrator"]["bodies"]


def _lender(entries: list[dict], index: int) -> dict:
    """The entry whose keys and values entry `index` reads, at the end of its chain of kv_from."""
    while entries[index]["kv_from"] is not None:
        index += entries[index]["kv_from"]
    return entries[index]


def _stored_window(block: dict) -> int | None:
    """The window of an attention's cache."""
    return span(block["mixer"]["attention"])


class Layout:
    """Gives every step its place in the cache, and builds what stands between layers.

    `merges` of parallel streams, `times` of ODEs, learned `collapses` of hyper-connections; `mask_kinds`: for each kind
    of mask one cache layer that tells its sizes.
    """

    def __init__(self, config, layers: nn.ModuleList, lateral: dict | None = None):
        self.config, self.layers, self.tissue = config, layers, Tissue(lateral)
        self.merges, self.times, self.collapses = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        self.mask_kinds: dict = {}
        self._place = 0

    def steps(self, entries: list[dict], collapses: list[CollapseStep] | None = None) -> tuple:
        """The steps of a schedule or body. A body that runs again passes the `collapses` that it made before."""
        made = iter(collapses or [])
        steps: list[Step] = []
        placed: list[Step] = []
        before = None
        for entry in entries:
            after = self.layers[entry["module"]] if "block" in entry else None
            if _collapses_between(before, after):
                steps.append(next(made, None) or self._collapse(before))
            placed.append(self._step(entry, placed))
            steps.append(placed[-1])
            before = after
        if _collapses_between(before, None):
            steps.append(next(made, None) or self._collapse(before))
        return tuple(steps)

    def _step(self, entry: dict, placed: list[Step]) -> Step:
        if "parallel" in entry:
            return self._parallel(entry["parallel"], entry["d_model"])
        if "integrator" in entry:
            return self._integrator(entry["integrator"], entry["d_model"])
        return self._layer(entry, None if entry["kv_from"] is None else placed[entry["kv_from"]])

    def _take(self, module) -> int:
        """The next places of the cache, as many as the module keeps states; returns the first."""
        first = self._place
        self._place += len(module.state_layers())
        return first

    def _layer(self, entry: dict, lender: LayerStep | None) -> LayerStep:
        layer = self.layers[entry["module"]]
        source = None
        if lender is not None:
            source = lender.cache_index if lender.kv_source is None else lender.kv_source
        place = self._take(layer)
        self.mask_kinds = layer.mask_kinds(place if source is None else source) | self.mask_kinds
        column, lateral = self.tissue.place(entry["block"], self.config.blocks[entry["block"]])
        return LayerStep(entry["module"], place, source, column, lateral)

    def _collapse(self, layer) -> CollapseStep:
        mixing = layer.hyper["mixing"]
        if mixing != "birkhoff":
            return CollapseStep(mixing, None)
        self.collapses.append(BirkhoffCollapse(layer.d_model, layer.hyper["expand"], layer.mixer_hyper.eps))
        return CollapseStep(mixing, len(self.collapses) - 1)

    def _parallel(self, spec: dict, d_model: int) -> ParallelStep:
        names = [stream["name"] for stream in spec["streams"]]
        bodies = tuple(self.steps(stream["body"]) for stream in spec["streams"])
        merge = StreamMerge(self.config, spec["merge"], names, d_model)
        self.merges.append(merge)
        place = self._take(merge)
        self.mask_kinds = merge.mask_kinds(place) | self.mask_kinds
        return ParallelStep(bodies, len(self.merges) - 1, place)

    def _integrator(self, spec: dict, d_model: int) -> DiscreteStep | OdeStep:
        readout = spec["output"] == "token"
        if spec["type"] == "discrete":
            return DiscreteStep(tuple(self.steps(body) for body in spec["bodies"]), readout)
        _, stages = METHODS[spec["type"]]
        first = self.steps(spec["bodies"][0])
        collapses = [step for step in first if isinstance(step, CollapseStep)]
        again = (self.steps(spec["bodies"][0], collapses) for _ in range(stages * spec["steps"] - 1))
        self.times.append(OdeTime(d_model))
        return OdeStep(spec["type"], spec["steps"], (first, *again), len(self.times) - 1, readout)


def _collapses_between(before, after) -> bool:
    """Whether n streams must become one between two layers (None: something that is no plain layer, or the end)."""
    if before is None or not before.hyper:
        return False
    return after is None or after.shape_change is not None or after.hyper != before.hyper
