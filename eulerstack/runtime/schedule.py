"""The schedule as it runs: plain layers one after the other, with whose weights and at which place of the cache.

Shape suffixes: B batch, T tokens, M d_model.
"""

from dataclasses import dataclass, field

import torch

from .decoder_layer import LayerOutput
from .router_losses import Routing


@dataclass
class Trace:
    """What a forward leaves beside the stream: each router's doing, in order, and lent keys and values."""

    routings: list[Routing] = field(default_factory=list)
    lent: dict[int, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)


@dataclass(frozen=True)
class LayerStep:
    """One plain layer: the index of its module, its place in the cache, and whose keys it reads (a place, or None)."""

    module: int
    cache_index: int
    kv_source: int | None = None

    def run(self, layers, hidden_states: torch.Tensor, context: dict, trace: Trace) -> torch.Tensor:
        """The stream [B, T, M] after this layer."""
        shared = None if self.kv_source is None else trace.lent[self.kv_source]
        layer = layers[self.module]
        # Reentrant checkpointing hands back a bare tuple.
        out = LayerOutput(*layer(hidden_states, cache_index=self.cache_index, shared_kv=shared, **context))
        if out.router_logits is not None:
            trace.routings.append(Routing(out.router_logits, out.router_index))
        if out.key is not None:
            trace.lent[self.cache_index] = (out.key, out.value)
        return out.hidden_states


def plan_layers(entries: list[dict], blocks: list[dict]) -> dict[int, dict]:
    """For each module the block that it is built from, with what its place in the schedule adds.

    `borrows_keys` and `borrowed_window` where it attends to another layer's keys, `lends_keys` where others do.
    """
    plans: dict[int, dict] = {}
    for index, entry in enumerate(entries):
        plan = plans.setdefault(entry["module"], dict(blocks[entry["block"]]))
        if entry["kv_from"] is not None:
            source = entries[index + entry["kv_from"]]
            plan["borrows_keys"] = True
            plan["borrowed_window"] = stored_window(entries, index, blocks)
            plans[source["module"]]["lends_keys"] = True
    return dict(sorted(plans.items()))


def stored_window(entries: list[dict], index: int, blocks: list[dict]) -> int | None:
    """The window of the cache that entry `index` reads: its own, or that of the layer at the end of its kv_from."""
    while entries[index]["kv_from"] is not None:
        index += entries[index]["kv_from"]
    spec = blocks[entries[index]["block"]]["mixer"]["attention"]
    dilation = spec["window_dilation"] if spec["window_mode"] == "dilated" else 1
    return None if spec["window"] is None else (spec["window"] - 1) * dilation + 1


def lay_out(entries: list[dict], layers) -> tuple[list[LayerStep], dict]:
    """The steps with their places in the cache; and for each kind of mask one cache layer that tells its sizes."""
    steps: list[LayerStep] = []
    kinds: dict = {}
    place = 0
    for index, entry in enumerate(entries):
        layer = layers[entry["module"]]
        source = None
        if entry["kv_from"] is not None:
            lender = steps[index + entry["kv_from"]]
            source = lender.cache_index if lender.kv_source is None else lender.kv_source
        steps.append(LayerStep(entry["module"], place, source))
        kinds = layer.mask_kinds(place if source is None else source) | kinds
        place += len(layer.state_layers())
    return steps, kinds
