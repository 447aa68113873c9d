"""An EulerStack model: embedding, a schedule of layers, a head, with HuggingFace's interfaces around them.

Read `decoder_layer.py` next, then the mixers and feed-forwards it names. Experts run through transformers'
`@use_experts_implementation` (in `mixture_of_experts.py`; transformers looks for that text in this file).

Works with torch ≥ 2.13 and transformers 5.23. Shape suffixes: B batch, T tokens, M d_model, V vocabulary, E experts.
"""

from itertools import pairwise

import torch
from torch import nn
from transformers.modeling_utils import slice_logits_to_keep
from transformers.utils.generic import can_return_tuple, merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from .cache import EulerStackCache
from .causal_loss import token_loss
from .configuration_eulerstack import EulerStackConfig
from .decoder_layer import EulerStackDecoderLayer
from .differentiation import differentiate
from .execution_modes import Phases
from .expert_balance import follow_optimizer, record_loads
from .generation import EulerStackGenerationMixin
from .initialization import attach_laws
from .lateral_exchange import build_exchanges
from .masks import build_mask, token_mask
from .multi_token_prediction import build_chain, run_chain
from .normalization import build_norm
from .outputs import EulerStackCausalLMOutput, EulerStackModelOutput
from .packing import is_packed, run_unpacked
from .positions import RopeSettings, RotaryEmbedding, count_positions
from .pretrained import EulerStackPreTrainedModel
from .readout import Readout
from .router import Router
from .router_losses import Routing, router_losses
from .schedule import CollapseStep, LayerStep, Layout, NodeBoundary, RouterBoundary, Trace, plan_layers
from .token_losses import next_tokens, share_of_batch


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
            return run_unpacked(self, input_ids, inputs_embeds, position_ids, **kwargs)
        if use_cache and past_key_values is None and not packed:
            past_key_values = self.build_cache()
        if position_ids is None:
            position_ids = count_positions(inputs_embeds, attention_mask, past_key_values)

        hidden_states = self.embed(inputs_embeds, position_ids)
        seen_phases = None
        if self.phases.hides:
            real = token_mask(hidden_states, attention_mask)
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
            tallies=tuple(trace.tallies) or None,
            readouts=tuple(map(self.finish, trace.readouts)) or None,
            ahead=tuple(ahead) or None,
            stream=hidden_states if self.mtp else None,
        )

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
            "token_mask": token_mask(hidden_states, attention_mask),
            "past_key_values": past_key_values,
        }

    def _count_loads(self, routings: list[Routing]) -> None:
        """Remember how loaded the experts are, for the correction after the optimizer's step."""
        if any(routing.router.e_score_correction_bias is not None for routing in routings):
            record_loads(routings)

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


class EulerStackForCausalLM(EulerStackPreTrainedModel, EulerStackGenerationMixin):
    """The model with its readout: logits = W_head · h, optionally soft-capped."""

    _tied_weights_keys = {"lm_head.weight": "model.embed_tokens.weight"}

    def __init__(self, config: EulerStackConfig):
        super().__init__(config)
        self.model = EulerStackModel(config)
        self.vocab_size = config.vocab_size
        self.lm_head = Readout(config.embedding["d_embed"], config.vocab_size)
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
        skip_logits: bool | None = None,
        **kwargs,
    ) -> EulerStackCausalLMOutput:
        """Next-token logits [B, T, V], and with `labels` [B, T] (−100 is ignored) the mean cross-entropy in nats.

        In training the routers' auxiliary losses are added to the loss, and those of tokens predicted further ahead
        (`head.mtp`); where an integrator has `output: token`, the cross-entropy is the mean over the last state and
        every step's; labels are weighted by their phases (`execution_modes`; labels that are ignored before any that is
        not are the prompt, unless `phase_ids` tell more). In evaluation the loss is the last state's cross-entropy
        alone. `aux_loss` is the load-balancing loss by itself, uniform routing giving top_k.

        `skip_logits`: the loss without the logits, which are None then, a few rows at a time: faster, in a fraction of
        the memory (`readout.py`). Not told, they are skipped where `config.skip_logits` says so, in training only.
        Raises ValueError when they are to be skipped and there are no labels.
        """
        if skip_logits is None:
            skip_logits = self.config.skip_logits and self.training and labels is not None
        if skip_logits and labels is None:
            raise ValueError("skip_logits: without labels there is no loss, and nothing would be left")
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
        kept = slice_logits_to_keep(outputs.last_hidden_state, logits_to_keep)
        logits = None if skip_logits else self.read_out(kept)

        loss = aux_loss = None
        if labels is not None:
            loss = token_loss(self, outputs, logits, labels, weights, attention_mask, position_ids, **kwargs)
        if outputs.routings is not None and (output_router_logits or labels is not None):
            aux_loss, weighted = router_losses(outputs.routings)
            if labels is not None and self.training:
                loss = loss + weighted.to(loss) * share_of_batch(next_tokens(labels, **kwargs), **kwargs)
        if labels is not None and outputs.layer_losses is not None:
            share = share_of_batch(next_tokens(labels, **kwargs), **kwargs)
            loss = loss + sum(outputs.layer_losses).to(loss) * share
        objectives = None
        if labels is not None and outputs.tallies is not None:
            objectives, weighted = differentiate(self.config, outputs.tallies)
            loss = loss + weighted.to(loss) * share_of_batch(next_tokens(labels, **kwargs), **kwargs)
        return EulerStackCausalLMOutput(
            objectives=objectives,
            loss=loss,
            states=outputs.stream if output_states else None,
            aux_loss=aux_loss,
            logits=logits,
            past_key_values=outputs.past_key_values,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            router_logits=outputs.router_logits or None,
        )

    @property
    def logit_scale(self) -> float:
        """What logits are multiplied by: `head.logit_scale`, and under μP the base width over d_model."""
        return (self.config.head["logit_scale"] or 1.0) * self.config.readout_multiplier

    def read_out(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Logits [..., V] of states [..., d_embed]."""
        logits = self.lm_head(hidden_states)
        softcap = self.config.head["logit_softcap"]
        logits = logits if self.logit_scale == 1.0 else logits * self.logit_scale
        return logits if softcap is None else softcap * torch.tanh(logits / softcap)

    def resize_token_embeddings(self, *args, **kwargs) -> nn.Embedding:
        """As transformers does; tables of experts chosen by a hash grow or shrink with the vocabulary."""
        embeddings = super().resize_token_embeddings(*args, **kwargs)
        self.vocab_size = self.config.vocab_size
        for module in self.modules():
            if isinstance(module, Router):
                module.resize_vocabulary(self.vocab_size)
        if type(self.lm_head) is nn.Linear:  # what transformers puts in the place of one that is resized
            self.lm_head.__class__ = Readout
        return embeddings


__all__ = ["EulerStackForCausalLM", "EulerStackModel", "EulerStackPreTrainedModel"]
