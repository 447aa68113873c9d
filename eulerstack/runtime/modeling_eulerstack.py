"""An EulerStack model: embedding, a schedule of layers, a head, with HuggingFace's interfaces around them.

Read `decoder_layer.py` next, then the mixers and feed-forwards it names. Experts run through transformers'
`@use_experts_implementation` (in `mixture_of_experts.py`; transformers looks for that text in this file).

Works with torch ≥ 2.13 and transformers 5.23. Shape suffixes: B batch, T tokens, M d_model, V vocabulary, E experts.
"""

import re
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.cache_utils import Cache
from transformers.modeling_outputs import MoeCausalLMOutputWithPast, MoeModelOutputWithPast
from transformers.modeling_utils import slice_logits_to_keep
from transformers.utils.generic import can_return_tuple, merge_with_config_defaults
from transformers.utils.output_capturing import OutputRecorder, capture_outputs

from .attention_projections import SoftmaxAttention
from .cache import EulerStackCache
from .configuration_eulerstack import EulerStackConfig
from .decoder_layer import EulerStackDecoderLayer
from .execution_modes import Phases
from .expert_balance import follow_optimizer, record_loads
from .fake_quantization import quantise_in_training
from .initialization import LAWS, apply_law, attach_laws
from .lateral_exchange import build_exchanges
from .masks import build_mask
from .memories import commit_memories, forget_queries
from .multi_token_prediction import build_chain, run_chain, targets_ahead
from .normalization import build_norm
from .packing import find_packing, is_packed
from .phased_generation import PhasedGenerationMixin
from .positions import RopeSettings, RotaryEmbedding
from .router import Router
from .router_losses import Routing, load_balancing_loss, router_z_loss, sequence_balance_loss
from .schedule import CollapseStep, LayerStep, Layout, NodeBoundary, RouterBoundary, Trace, plan_layers
from .speculation import ChainDrafter
from .token_losses import mean_cross_entropy, next_tokens, share_of_batch


@dataclass
class EulerStackModelOutput(MoeModelOutputWithPast):
    """As transformers' output of a mixture of experts, with what losses are made of.

    `router_logits` [B·T, E], where asked for: in the order in which routers ran;
    `routings`: what each router did, in order; `layer_losses`: those of depth routers and indexers; `readouts`: states
    [B, T, M] that are read out besides the last, in training; `ahead`: states [B, T, M] of the chain that predicts
    further tokens, which starts from the `stream` [B, T, M] (given where there is such a chain).
    """

    router_logits: tuple[torch.Tensor, ...] | None = None  # type: ignore[assignment]
    routings: tuple[Routing, ...] | None = None
    layer_losses: tuple[torch.Tensor, ...] | None = None
    readouts: tuple[torch.Tensor, ...] | None = None
    ahead: tuple[torch.Tensor, ...] | None = None
    stream: torch.Tensor | None = None


@dataclass
class EulerStackCausalLMOutput(MoeCausalLMOutputWithPast):
    """As transformers' output of a mixture of experts; `states` [B, T, M]: the last ones, where they were asked for."""

    states: torch.Tensor | None = None


class EulerStackPreTrainedModel(PreTrainedModel):
    """Weights, loading and the capabilities that transformers asks about."""

    config_class = EulerStackConfig
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _no_split_modules = ["EulerStackDecoderLayer"]
    _skip_keys_device_placement = ["past_key_values"]
    _supports_flash_attn = True
    _supports_sdpa = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _keep_in_fp32_modules_strict: list[str] | set[str] = [
        "e_score_correction_bias",
        r"\bA_log$",
        r"\bD$",
        r"committed_\w+",
        "dt_bias",
        "sinks",
        r"\w+_hyper",
        "collapses",
    ]
    _can_record_outputs = {
        "hidden_states": OutputRecorder(
            NodeBoundary, capture_initial_hidden_state=False, num_hidden_layers_key="num_hidden_states"
        ),
        "attentions": SoftmaxAttention,
        "router_logits": OutputRecorder(RouterBoundary),
    }

    def __init__(self, config: EulerStackConfig):
        super().__init__(config)
        self._keep_in_fp32_modules_strict = [*self._keep_in_fp32_modules_strict, *config.keep_in_fp32]

    def _quantise_in_training(self, module: nn.Module, prefix: str) -> None:
        """Round what the spec's `quant_aware_training` names below `module`, whose names stand below `prefix`."""
        spec = self.config.v1_extensions.get("compatibility", {}).get("quant_aware_training", {})
        if spec.get("enabled"):
            quantise_in_training(module, spec, prefix, type(self)._keep_in_fp32_modules_strict)

    def post_init(self) -> None:
        """As transformers does; of what keeps fp32, only what this model has is remembered."""
        super().post_init()
        names = list(self.state_dict())
        kept = (pattern for pattern in self._keep_in_fp32_modules_strict if any(re.search(pattern, n) for n in names))
        self._keep_in_fp32_modules_strict = set(kept)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        laws = getattr(module, LAWS, None)
        if laws is None:
            super()._init_weights(module)
        else:
            for leaf, law in laws.items():
                apply_law(getattr(module, leaf), law)
        if hasattr(module, "reset_buffers"):
            module.reset_buffers()


class EulerStackModel(EulerStackPreTrainedModel):
    """Token embedding, the schedule of layers, the final norm."""

    def __init__(self, config: EulerStackConfig):
        super().__init__(config)
        positional, d_model = config.embedding["positional"], config.hidden_size
        d_embed = config.embedding["d_embed"]
        frozen_row = None if config.embedding["train_padding"] else config.pad_token_id
        self.embed_tokens = nn.Embedding(config.vocab_size, d_embed, padding_idx=frozen_row)
        self.embed_in = nn.Linear(d_embed, d_model, bias=False) if d_embed != d_model else None
        self.embed_out = nn.Linear(d_model, d_embed, bias=False) if d_embed != d_model else None
        learned = positional == "learned"
        self.embed_positions = nn.Embedding(config.max_position_embeddings, d_model) if learned else None
        self.dropout = nn.Dropout(config.embedding["dropout"])
        plans = plan_layers(config.schedule, config.blocks)
        self.layers = nn.ModuleList(EulerStackDecoderLayer(config, plan, index) for index, plan in plans.items())
        layout = Layout(config, self.layers, config.lateral)
        self.steps = layout.steps(config.schedule)
        self.merges, self.times, self.collapses = layout.merges, layout.times, layout.collapses
        self.mask_kinds = layout.mask_kinds
        self.lateral = build_exchanges(config.lateral)
        final_norm = config.head["final_norm"]
        self.norm = build_norm(final_norm, d_model) if final_norm else None
        self.rotary_emb = nn.ModuleDict()
        self.mtp = build_chain(config)
        self._share_rotary_embeddings()
        self._attach_laws(plans)
        self.is_recurrent = any(getattr(module, "is_recurrent", False) for module in self.modules())
        self.phases = Phases(config)
        self.boundary, self.router_boundary = NodeBoundary(), RouterBoundary()
        self.gradient_checkpointing = False
        self._quantise_in_training(self, "model.")
        self.post_init()
        follow_optimizer(self)

    def __setstate__(self, state: dict) -> None:
        """A copy, or what was pickled: its biases follow its own optimizer."""
        super().__setstate__(state)
        follow_optimizer(self)

    def _share_rotary_embeddings(self) -> None:
        """Build one rotary embedding for each base and width that layers ask for, and tell them its key."""
        known: dict[tuple, str] = {}
        for layer in (*self.layers, *(layer for module in self.mtp for layer in module.layers)):
            for request in layer.mixer.rope_requests():
                identity = (request.theta, request.dim, request.scaled)
                if identity not in known:
                    known[identity] = f"rope_{len(known)}"
                    scaling = self.config.rope_parameters if request.scaled else {"rope_type": "default"}
                    parameters = {**scaling, "rope_theta": request.theta}
                    settings = RopeSettings(parameters, request.dim, self.config.max_position_embeddings)
                    self.rotary_emb[known[identity]] = RotaryEmbedding(settings)
                request.key = known[identity]

    def _attach_laws(self, plans: dict[int, dict]) -> None:
        prefix = "model."
        attach_laws(self, {n.removeprefix(prefix): w for n, w in self.config.init.items() if n.startswith(prefix)})
        for layer, plan in zip(self.layers, plans.values(), strict=True):
            attach_laws(layer, plan["init"])

    def build_cache(self) -> EulerStackCache:
        """An empty decoding state for this model."""
        states = [state for step in self.steps for state in step.state_layers(self)]
        return EulerStackCache([*states, *self.phases.state_layers()])

    def _layer_steps(self) -> list[LayerStep]:
        """Every run of a plain layer, in order."""
        return [layer_step for step in self.steps for layer_step in step.layer_steps()]

    @merge_with_config_defaults
    @capture_outputs
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values=None,
        inputs_embeds: torch.Tensor | None = None,
        use_cache: bool | None = None,
        phase_ids: torch.Tensor | None = None,
        predict_ahead: bool = False,
        **kwargs,
    ) -> EulerStackModelOutput:
        """Hidden states [B, T, M] of `input_ids` [B, T] or `inputs_embeds` [B, T, M].

        `attention_mask` [B, S] is 0 for padding (S counts cached tokens too) or a ready 4-D mask; `position_ids`
        [B, T] default to the count of real tokens before each, and jump back to 0 where a packed sequence starts.
        `phase_ids` [B, T], where `execution_modes` hide keys, are the tokens' phases, −1 for the prompt; untold, there
        is no prompt, and the phases follow from the tokens. `predict_ahead` also runs the chain of `head.mtp`.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("You must specify exactly one of input_ids or inputs_embeds")
        if inputs_embeds is None:
            inputs_embeds = self.embed_tokens(input_ids)
        fresh = attention_mask is None and past_key_values is None
        packed = position_ids is not None and fresh and is_packed(position_ids)
        if packed and (self.is_recurrent or self.phases.hides):
            kwargs |= {"predict_ahead": predict_ahead, "phase_ids": phase_ids}
            return self._forward_unpacked(input_ids, inputs_embeds, position_ids, **kwargs)
        if use_cache and past_key_values is None and not packed:
            past_key_values = self.build_cache()
        if position_ids is None:
            position_ids = self._positions(inputs_embeds, attention_mask, past_key_values)

        hidden_states = self.embed(inputs_embeds, position_ids)
        seen_phases = None
        if self.phases.hides:
            real = _token_mask(hidden_states, attention_mask)
            real = hidden_states.new_ones(hidden_states.shape[:2]) if real is None else real
            phase_ids, seen_phases = self.phases.of_inputs(phase_ids, input_ids, real.bool(), past_key_values)
        context = self.layer_context(
            hidden_states, attention_mask, position_ids, past_key_values, self.mask_kinds, seen_phases
        )
        context |= {"input_ids": input_ids, "phase_ids": phase_ids, "embeddings": hidden_states, **kwargs}
        trace = Trace()
        hidden_states = self.boundary(hidden_states)
        for step, following in pairwise((*self.steps, None)):
            hidden_states = step.run(self, hidden_states, context, trace)
            if not isinstance(following, CollapseStep):
                hidden_states = self.boundary(hidden_states)
        hidden_states = self.finish(hidden_states)
        ahead: list[torch.Tensor] = []
        if predict_ahead:
            ahead = run_chain(self, hidden_states, inputs_embeds, context, attention_mask, trace)
        for routing in trace.routings:
            self.router_boundary(routing.logits)
        if self.training and torch.is_grad_enabled():
            self._count_loads(trace.routings)
        return EulerStackModelOutput(
            last_hidden_state=self.project_out(hidden_states),
            past_key_values=past_key_values,
            routings=tuple(trace.routings) or None,
            layer_losses=tuple(trace.layer_losses) or None,
            readouts=tuple(map(self.finish, trace.readouts)) or None,
            ahead=tuple(ahead) or None,
            stream=hidden_states if self.mtp else None,
        )

    def _forward_unpacked(self, input_ids, inputs_embeds, position_ids, phase_ids, **kwargs) -> EulerStackModelOutput:
        """Packed sequences, each run as a row of its own."""
        packing = find_packing(position_ids, inputs_embeds.shape[0])
        kwargs["phase_ids"] = None if phase_ids is None else packing.unpack(phase_ids)
        if input_ids is None:
            inputs = {"inputs_embeds": packing.unpack(inputs_embeds)}
        else:
            inputs = {"input_ids": packing.unpack(input_ids)}
        positions = packing.unpack(position_ids.expand(inputs_embeds.shape[:2]))
        out = self(**inputs, attention_mask=packing.mask, position_ids=positions, use_cache=False, **kwargs)
        for name in ("readouts", "ahead"):
            states = getattr(out, name) or ()
            setattr(out, name, tuple(packing.pack(state, inputs_embeds) for state in states) or None)
        # What hooks recorded of the rows, they record again as it is packed.
        for state in out.hidden_states or ():
            self.boundary(packing.pack(state, inputs_embeds))
        for routing in out.routings or ():
            whole = routing.logits.shape[:2] == packing.index.shape
            self.router_boundary(packing.pack(routing.logits, inputs_embeds) if whole else routing.logits)
        out.last_hidden_state = packing.pack(out.last_hidden_state, inputs_embeds)
        return out

    def layer_context(
        self, hidden_states, attention_mask, position_ids, past_key_values, mask_kinds: dict, seen_phases=None
    ) -> dict:
        """What mixers read beside the stream: masks and rotary embeddings by kind, positions, padding, the cache.

        `seen_phases` [B, S] are the phases of all tokens so far, where some are hidden from others.
        """
        seen = None if seen_phases is None else self.phases.overlay(seen_phases)
        return {
            "attention_masks": {
                kind.key: build_mask(
                    kind, self.config, hidden_states, attention_mask, past_key_values, position_ids, cache_index, seen
                )
                for kind, cache_index in mask_kinds.items()
            },
            "position_embeddings": {key: rope(hidden_states, position_ids) for key, rope in self.rotary_emb.items()},
            "position_ids": position_ids,
            "token_mask": _token_mask(hidden_states, attention_mask),
            "past_key_values": past_key_values,
        }

    def _count_loads(self, routings: list[Routing]) -> None:
        """Remember how loaded the experts are, for the correction after the optimizer's step."""
        if any(routing.router.e_score_correction_bias is not None for routing in routings):
            record_loads(routings)

    def _positions(self, inputs_embeds, attention_mask, past_key_values) -> torch.Tensor:
        n_tokens = inputs_embeds.shape[1]
        if attention_mask is not None and attention_mask.dim() == 2:
            return (attention_mask.long().cumsum(-1) - 1).clamp(min=0)[:, -n_tokens:]
        seen = past_key_values.get_seq_length() if past_key_values is not None else 0
        return (torch.arange(n_tokens, device=inputs_embeds.device) + seen).unsqueeze(0)

    def finish(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """The stream [B, T, M] after the final norm, if there is one."""
        return hidden_states if self.norm is None else self.norm(hidden_states)

    def project_out(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """The stream at the width of the token table, which the readout takes."""
        return hidden_states if self.embed_out is None else self.embed_out(hidden_states)

    def embed(self, inputs_embeds: torch.Tensor, position_ids: torch.Tensor) -> torch.Tensor:
        """What enters the first layer, [B, T, M]: tokens' embeddings, projected, scaled, told their positions."""
        scale = self.config.embedding["scale"]
        hidden_states = inputs_embeds if self.embed_in is None else self.embed_in(inputs_embeds)
        if scale != 1.0:
            hidden_states = hidden_states * torch.tensor(scale, dtype=hidden_states.dtype, device=hidden_states.device)
        if self.embed_positions is not None:
            hidden_states = hidden_states + self.embed_positions(position_ids.to(hidden_states.device))
        return self.dropout(hidden_states)


class EulerStackForCausalLM(EulerStackPreTrainedModel, PhasedGenerationMixin):
    """The model with its readout: logits = W_head · h, optionally soft-capped."""

    _tied_weights_keys = {"lm_head.weight": "model.embed_tokens.weight"}

    def __init__(self, config: EulerStackConfig):
        super().__init__(config)
        self.model = EulerStackModel(config)
        self.vocab_size = config.vocab_size
        self.lm_head = nn.Linear(config.embedding["d_embed"], config.vocab_size, bias=False)
        self._generation_cache: Cache | None = None
        attach_laws(self, {n: law for n, law in config.init.items() if not n.startswith("model.")})
        tied = self._tied_weights_keys["lm_head.weight"] if config.tie_word_embeddings else "lm_head.weight"
        self._quantise_in_training(self.lm_head, tied.removesuffix("weight"))
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values=None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        output_router_logits: bool | None = None,
        phase_ids: torch.Tensor | None = None,
        output_states: bool = False,
        **kwargs,
    ) -> EulerStackCausalLMOutput:
        """Next-token logits [B, T, V], and with `labels` [B, T] (−100 is ignored) the mean cross-entropy in nats.

        In training the routers' auxiliary losses are added to the loss, and those of tokens predicted further ahead
        (`head.mtp`); where an integrator has `output: token`, the cross-entropy is the mean over the last state and
        every step's; labels are weighted by their phases (`execution_modes`; labels that are ignored before any that is
        not are the prompt, unless `phase_ids` tell more). In evaluation the loss is the last state's cross-entropy
        alone. `aux_loss` is the load-balancing loss by itself, uniform routing giving top_k.
        """
        weights = None
        if labels is not None and self.model.phases.modes:
            if phase_ids is None:
                phase_ids = self.model.phases.of_labels(labels, input_ids, position_ids)
            weights = self.model.phases.loss_weights(phase_ids) if self.training else None
        if output_router_logits is None:
            output_router_logits = self.config.output_router_logits
        outputs = self.model(
            output_router_logits=output_router_logits,
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            phase_ids=phase_ids,
            predict_ahead=labels is not None and self.training and bool(self.model.mtp),
            **kwargs,
        )
        logits = self.read_out(slice_logits_to_keep(outputs.last_hidden_state, logits_to_keep))

        loss = aux_loss = None
        if labels is not None:
            loss = self._token_loss(outputs, logits, labels, weights, **kwargs)
        if labels is not None and outputs.ahead is not None:
            loss = loss + self._loss_ahead(outputs.ahead, labels, weights, attention_mask, position_ids, **kwargs)
        if outputs.routings is not None and (output_router_logits or labels is not None):
            aux_loss, weighted = _router_losses(outputs.routings)
            if labels is not None and self.training:
                loss = loss + weighted.to(loss) * share_of_batch(next_tokens(labels, **kwargs), **kwargs)
        if labels is not None and outputs.layer_losses is not None:
            share = share_of_batch(next_tokens(labels, **kwargs), **kwargs)
            loss = loss + sum(outputs.layer_losses).to(loss) * share
        return EulerStackCausalLMOutput(
            loss=loss,
            states=outputs.stream if output_states else None,
            aux_loss=aux_loss,
            logits=logits,
            past_key_values=outputs.past_key_values,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            router_logits=outputs.router_logits or None,
        )

    def read_out(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Logits [..., V] of states [..., d_embed]."""
        logits = self.lm_head(hidden_states)
        scale, softcap = self.config.head["logit_scale"], self.config.head["logit_softcap"]
        logits = logits if scale is None else logits * scale
        return logits if softcap is None else softcap * torch.tanh(logits / softcap)

    def _token_loss(self, outputs, logits: torch.Tensor, labels, weights, **kwargs) -> torch.Tensor:
        """The mean over the last state's and the integrators' steps' cross-entropies (deep supervision, Lee 2015)."""
        loss = self._cross_entropy(logits, labels, weights, **kwargs)
        steps = outputs.readouts or ()
        for state in steps:
            step_logits = self.read_out(self.model.project_out(state))
            loss = loss + self._cross_entropy(step_logits, labels, weights, **kwargs)
        return loss / (1 + len(steps))

    def _cross_entropy(self, logits: torch.Tensor, labels, weights, **kwargs) -> torch.Tensor:
        """The mean over all labels; where phases have weights, each weighted, and still divided by their number."""
        if weights is None:
            return self.loss_function(logits, labels, self.vocab_size, **kwargs)
        target_BT = next_tokens(labels, **kwargs)
        return mean_cross_entropy(logits, target_BT, weights) * share_of_batch(target_BT, **kwargs)

    def _loss_ahead(self, states, labels, weights, attention_mask, position_ids, **kwargs) -> torch.Tensor:
        """λ/D · Σ_k of the mean cross-entropies of the tokens k further (DeepSeek-V3, eq. 24–25)."""
        target_BT = next_tokens(labels, **kwargs)
        loss = torch.zeros((), device=target_BT.device)
        for k, state in enumerate(states, start=1):
            ahead_BT = targets_ahead(target_BT, k, attention_mask, position_ids)
            weight_BT = None if weights is None else nn.functional.pad(weights[:, k:], (0, k), value=1.0)
            loss = loss + mean_cross_entropy(self.read_out(self.model.project_out(state)), ahead_BT, weight_BT)
        weight = self.config.head["mtp"]["train_loss_weight"] / len(self.model.mtp)
        return weight * loss * share_of_batch(target_BT, **kwargs)

    def resize_token_embeddings(self, *args, **kwargs) -> nn.Embedding:
        """As transformers does; tables of experts chosen by a hash grow or shrink with the vocabulary."""
        embeddings = super().resize_token_embeddings(*args, **kwargs)
        self.vocab_size = self.config.vocab_size
        for module in self.modules():
            if isinstance(module, Router):
                module.resize_vocabulary(self.vocab_size)
        return embeddings

    def commit_memory(self, past_key_values: Cache) -> None:
        """Keep what persistent memories hold in a cache for good, in buffers: the mean over the cache's rows."""
        commit_memories(self.model, past_key_values)

    def generate(self, *args, **kwargs):
        """As transformers does; when it ends, persistent memories keep what was written, beams included."""
        try:
            generated = super().generate(*args, **kwargs)
            if self._generation_cache is not None:
                self.commit_memory(self._generation_cache)
        finally:
            self._generation_cache = None
        return generated

    def _get_candidate_generator(
        self, generation_config, input_ids, inputs_tensor, logits_processor, model_kwargs, *args, **kwargs
    ):
        """As transformers does, but with `use_mtp` the model's own chain drafts. Raises ValueError where it cannot."""
        if not generation_config.use_mtp:
            return super()._get_candidate_generator(  # type: ignore[misc]
                generation_config, input_ids, inputs_tensor, logits_processor, model_kwargs, *args, **kwargs
            )
        if not self.model.mtp:
            raise ValueError("use_mtp: the spec's head is not causal_lm_mtp, so that there is nothing to draft with")
        if not model_kwargs["past_key_values"].is_croppable:
            raise ValueError(
                "use_mtp: this model keeps state that cannot be rolled back, so it can only train its chain"
            )
        return ChainDrafter(self, generation_config, logits_processor)

    def _prepare_cache_for_generation(
        self, generation_config, model_kwargs, generation_mode, batch_size, max_cache_length
    ):
        """As transformers does, but with this model's own cache where it would build its default one.

        A cache that was used before brings a new query to its memories.
        """
        own = (
            model_kwargs.get("past_key_values") is None
            and generation_config.use_cache is not False
            and generation_config.cache_implementation in (None, "dynamic")
        )
        if (given := model_kwargs.get("past_key_values")) is not None:
            forget_queries(given)
            self._generation_cache = given
        if own:
            model_kwargs["past_key_values"] = cache = self.model.build_cache()
            self._generation_cache = cache
            if generation_config.is_assistant:
                cache.activate_past_recording()
            return
        super()._prepare_cache_for_generation(  # type: ignore[misc]
            generation_config, model_kwargs, generation_mode, batch_size, max_cache_length
        )


def _token_mask(hidden_states: torch.Tensor, attention_mask: torch.Tensor | None) -> torch.Tensor | None:
    """The part of a mask [B, S] that is about the tokens of this forward; None where nothing is padding."""
    if attention_mask is None or attention_mask.dim() != 2:
        return None
    return attention_mask[:, -hidden_states.shape[1] :]


def _router_losses(routings: tuple[Routing, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """The load-balancing loss, and the sum of all router losses times their coefficients.

    Routers with equal experts, top_k and coefficients are pooled; groups count by their number of layers. A choice by
    hash cannot be balanced and has only a z-loss.
    """
    groups: dict[tuple, list[Routing]] = {}
    for routing in routings:
        identity = (routing.router.coefficients, routing.logits.shape[-1], routing.index.shape[-1])
        groups.setdefault(identity, []).append(routing)
    balance = weighted = routings[0].logits.new_zeros((), dtype=torch.float32)
    for (coefficients, *_), group in groups.items():
        share = len(group) / len(routings)
        loss = load_balancing_loss(group, coefficients.affinity)
        balance = balance + share * loss
        weighted = weighted + share * coefficients.load_balance * loss
        if coefficients.z_loss:
            weighted = weighted + share * coefficients.z_loss * router_z_loss(group)
        if coefficients.sequence:
            losses = [sequence_balance_loss(routing, coefficients.affinity) for routing in group]
            weighted = weighted + coefficients.sequence * torch.stack(losses).sum()
    return balance, weighted


__all__ = ["EulerStackForCausalLM", "EulerStackModel", "EulerStackPreTrainedModel"]
