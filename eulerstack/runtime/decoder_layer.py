"""One layer: a mixer over the sequence and a feed-forward over the width, joined to the residual stream."""

from collections.abc import Sequence

import torch
from torch import nn
from transformers.modeling_layers import GradientCheckpointingLayer

from .differentiation import add_tallies
from .feed_forward import GatedMlp, Mlp
from .hyper_connections import CONNECTIONS, write_back
from .layer_output import LayerOutput
from .memories import build_memory
from .mixers import build_mixer
from .mixture_of_depths import DepthRouter, DepthState
from .mixture_of_experts import MixtureOfExperts
from .normalization import build_norm
from .shape_change import ShapeChange

NO_ROUTING = (None, None, None)


class EulerStackDecoderLayer(GradientCheckpointingLayer):
    """x ← x + s · f(x) for f = mixer, then f = ffn, with the norm where `norm.position` puts it.

    | position | one branch |
    |---|---|
    | pre | x + s·f(norm(x)) |
    | post | norm(x + s·f(x)) (Vaswani 2017) |
    | sandwich | x + s·norm₂(f(norm₁(x))) (Gemma 2) |
    | output | x + s·norm(f(x)) (OLMo 2) |

    `residual.type` parallel (GPT-J): both branches read the same x, through one input norm, and are added together.
    `residual.type` hyper_connection: the stream is n streams [B, T, n, M]; each branch reads one mixture of them and
    writes back to all (`hyper_connections.py`).
    s is `residual.scaling`. Dropout (`training_hints.dropout`) falls on each branch before it is scaled.
    """

    def __init__(self, config, block: dict, layer_idx: int):
        super().__init__()
        self.block_name = block["name"]
        d_model, norm = block["d_model"], block["norm"]
        self.d_model = d_model
        self.position = norm["position"]
        self.parallel = block["residual"]["type"] == "parallel"
        self.scaling = block["residual"]["scaling"]
        self.hyper = block["residual"]["hyper"]
        self.p_drop = config.training_hints.get("dropout", 0.0)
        change = block["shape_change"]
        self.shape_change = ShapeChange(block["d_in"], change) if change else None
        self.mixer = build_mixer(config, block, layer_idx)
        self.reads_embeddings = getattr(self.mixer, "reads_embeddings", False)
        self.memory = build_memory(block)
        self.ffn = build_ffn(config, block)
        if self.hyper:
            connection = CONNECTIONS[self.hyper["mixing"]]
            self.mixer_hyper = connection(d_model, norm["eps"], self.hyper)
            if self.ffn is not None:
                self.ffn_hyper = connection(d_model, norm["eps"], self.hyper)
        gating = block.get("depth_gating")
        self.depth = DepthRouter(config, d_model, gating) if gating else None
        self.lends_keys = block.get("lends_keys", False)

        norm_before = self.position in ("pre", "sandwich")
        norm_after = self.position != "pre"
        has_ffn = self.ffn is not None
        post = self.position == "post"
        self.mixer_norm = build_norm(norm, d_model) if norm_before else None
        self.mixer_post_norm = build_norm(norm, d_model) if norm_after else None
        self.ffn_norm = build_norm(norm, d_model) if norm_before and has_ffn and not self.parallel else None
        needs_ffn_post = norm_after and has_ffn and not (self.parallel and post)
        self.ffn_post_norm = build_norm(norm, d_model) if needs_ffn_post else None

    def forward(
        self,
        hidden_states: torch.Tensor,
        borrowed_key: torch.Tensor | None = None,
        borrowed_value: torch.Tensor | None = None,
        embeddings: torch.Tensor | None = None,
        input_ids: torch.Tensor | None = None,
        **context,
    ) -> LayerOutput:
        """`hidden_states` [B, T, M] → the same shape.

        `borrowed_key` and `borrowed_value` are what a lending layer returned; `embeddings` [B, T, M] is what entered
        the first layer, wanted where `reads_embeddings`. Like the stream they stand first, where reentrant
        checkpointing looks for what carries gradient. `context` is what mixers read: `attention_masks` and
        `position_embeddings` by kind, `position_ids` [B, T], `token_mask` [B, T] (0 for padding, None without any),
        `past_key_values` and `cache_index`.
        """
        context["shared_kv"] = (borrowed_key, borrowed_value)
        if embeddings is not None:
            context["embeddings"] = embeddings
        if self.shape_change is not None:
            hidden_states = self.shape_change(hidden_states, **context)
            context["cache_index"] += len(self.shape_change.state_layers())
        if self.hyper and hidden_states.dim() == 3:
            hidden_states = hidden_states.unsqueeze(2).expand(-1, -1, self.hyper["expand"], -1)
        for_ffn = {"token_mask": context.get("token_mask"), "input_ids": input_ids}
        if self.parallel:
            return self._parallel(hidden_states, context, for_ffn)
        mix = self.mixer if self.memory is None else self._mix
        hidden_states, lent = self._branch(hidden_states, mix, self.mixer_norm, self.mixer_post_norm, context)
        routing: tuple = NO_ROUTING
        if self.ffn is not None:
            hidden_states, rest = self._branch(hidden_states, self.ffn, self.ffn_norm, self.ffn_post_norm, for_ffn)
            routing = tuple(rest) or routing
        return self._output(hidden_states, lent, routing)

    def state_layers(self) -> list:
        """Fresh, empty cache layers for every stateful module of this layer; with depth gating, one for each row."""
        return [DepthState()] if self.depth is not None else self.inner_state_layers()

    def inner_state_layers(self) -> list:
        """The same, as if no token were skipped."""
        before = self.shape_change.state_layers() if self.shape_change is not None else []
        after = self.memory.state_layers() if self.memory is not None else []
        return before + self.mixer.state_layers() + after

    @property
    def memory_place(self) -> int:
        """How many of this layer's states stand before its memory's."""
        return len(self.inner_state_layers()) - 1

    def mask_kinds(self, cache_index: int) -> dict:
        """The kinds of attention mask that this layer reads, each with a cache layer that tells its sizes.

        A depth-gated layer's masks are built for the tokens it chooses.
        """
        return {} if self.depth is not None else self.inner_mask_kinds(cache_index)

    def inner_mask_kinds(self, cache_index: int) -> dict:
        """The same, as if no token were skipped."""
        before = self.shape_change.state_layers() if self.shape_change is not None else []
        return self.mixer.mask_kinds(cache_index + len(before))

    def _branch(self, x, module, norm_in, norm_out, context: dict) -> tuple[torch.Tensor, Sequence]:
        if self.hyper:
            return self._hyper_branch(x, module, norm_in, norm_out, context)
        update, *rest = module(normed(norm_in, x), **context)
        update = self._drop(update)
        if self.position == "post":
            return normed(norm_out, torch.add(x, update, alpha=self.scaling)), rest
        update = normed(norm_out, update)
        return x + update if self.scaling == 1 else torch.add(x, update, alpha=self.scaling), rest

    def _hyper_branch(self, x_BTnM, module, norm_in, norm_out, context: dict) -> tuple[torch.Tensor, tuple]:
        x, post, mixing = (self.ffn_hyper if module is self.ffn else self.mixer_hyper)(x_BTnM)
        update, *rest = module(normed(norm_in, x), **context)
        update = self.scaling * normed(norm_out, self._drop(update))
        return write_back(x_BTnM, update, post, mixing), tuple(rest)

    def _drop(self, update: torch.Tensor) -> torch.Tensor:
        """The update after its dropout."""
        return nn.functional.dropout(update, self.p_drop) if self.training and self.p_drop else update

    def _mix(self, x: torch.Tensor, **context) -> tuple:
        """What the mixer returns, its output joined by the memory's."""
        update, *rest = self.mixer(x, **context)
        if self.memory is not None:
            context["cache_index"] += len(self.mixer.state_layers())
            update = update + self.memory(x, **context)
        return update, *rest

    def _output(self, hidden_states: torch.Tensor, mixed: Sequence, routing: tuple) -> LayerOutput:
        """With what a mixer returns besides (weights, key, value, loss, tally, or fewer), and what a router did."""
        _, key, value, loss, mixers = (*mixed, None, None, None, None, None)[:5]
        logits, index, experts = routing
        key, value = (key, value) if self.lends_keys else (None, None)
        return LayerOutput(hidden_states, logits, index, key, value, loss, add_tallies(mixers, experts))

    def _parallel(self, x: torch.Tensor, context: dict, for_ffn: dict) -> LayerOutput:
        both = normed(self.mixer_norm, x)
        update, *lent = self._mix(both, **context)
        update = self._drop(update)
        if self.position != "post":
            update = normed(self.mixer_post_norm, update)
        routing: tuple = NO_ROUTING
        if self.ffn is not None:
            fed, *rest = self.ffn(both, **for_ffn)
            routing = tuple(rest) or routing
            update = update + normed(self.ffn_post_norm, self._drop(fed))
        summed = torch.add(x, update, alpha=self.scaling)
        summed = normed(self.mixer_post_norm, summed) if self.position == "post" else summed
        return self._output(summed, lent, routing)


def normed(norm: nn.Module | None, x: torch.Tensor) -> torch.Tensor:
    """norm(x), or x where there is no norm."""
    return x if norm is None else norm(x)


def build_ffn(config, block: dict) -> nn.Module | None:
    """The feed-forward that a resolved `ffn` mapping describes; None where the template has none."""
    spec = block["ffn"]
    match spec and spec["type"]:
        case None:
            return None
        case "moe":
            return MixtureOfExperts(config, block["d_model"], spec)
        case "mlp":
            return Mlp(block["d_model"], spec["d_ff"], spec["activation"], spec["bias"])
        case "gated_mlp":
            factors = block["ffn_factors"]
            return GatedMlp(block["d_model"], spec["d_ff"], spec["activation"], spec["bias"], factors)
    raise ValueError(f"unknown ffn type {spec['type']!r}")
