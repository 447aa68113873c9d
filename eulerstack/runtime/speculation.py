"""Speculative decoding with the model's own chain (`head.mtp`): `model.generate(…, use_mtp=True)`.

The chain drafts, transformers' assisted decoding lets the trunk judge all drafts in one forward (Leviathan 2023):
greedy search gives the very tokens that it gives without, sampling the same distribution. For one sequence at a time,
and for models whose caches can be rolled back; the others use the chain in training only.

Shape suffixes: T tokens, M d_model, V vocabulary.
"""

from typing import NamedTuple

import torch
from torch import nn
from transformers.generation import CandidateGenerator

from .cache import EulerStackCache
from .phased_generation import next_phase
from .schedule import Trace


class ChainDrafter(CandidateGenerator):
    """Drafts D tokens after N known ones: step k reads row N − 2 of step k − 1 and the token N − 2 + k, which that step
    drafted, and predicts the token N − 1 + k.

    Row i of step k holds the token i + k, so when N tokens are known its rows up to N − 1 − k are right for good. The
    k − 1 rows after them were made from drafts: the next draft forgets them and makes them anew from what was accepted.
    """

    requires_model_outputs = True
    model_kwargs_overrides = {"output_states": True}

    def __init__(self, model, generation_config, logits_processor):
        self.model, self.chain = model, model.model.mtp
        self.do_sample, self.logits_processor = generation_config.do_sample, logits_processor
        self.caches = [EulerStackCache(module.state_layers()) for module in self.chain]
        if len(self.chain) > 1 and not all(cache.is_croppable for cache in self.caches):
            raise ValueError(
                "use_mtp: the cache of `head_template` cannot be rolled back, so only n_predict: 1 can draft"
            )
        for cache in self.caches:
            cache.activate_past_recording()
        self.first = self.known = 0
        self.held: dict[int, torch.Tensor] = {}
        """For each step the last row of its predecessor that is right for good: where the step goes on."""

    def get_candidates(  # type: ignore[override]
        self, input_ids: torch.Tensor, **kwargs
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """`input_ids` [1, T] with drafts after them, and in sampling the logits [1, D, V] that those are drawn from."""
        outputs, inputs = kwargs["model_outputs"], kwargs["model_kwargs"]
        count = self._count(input_ids, inputs)
        if outputs is None or count == 0:  # the trunk has seen nothing yet, or the next token is the last
            return input_ids, None
        if self.known == 0:  # a cache that was used before has no states of its tokens: the chain begins after them
            self.first = input_ids.shape[1] - 1 - outputs.states.shape[1]
        text = Text(
            input_ids[:, self.first :], inputs.get("attention_mask"), self.first, self._phases(input_ids, inputs)
        )
        known, logits = text.ids.shape[1], []
        rows = outputs.states[:, : known - max(self.known, 1)]
        for k in range(1, len(self.chain) + 1):
            rows = self._step(k, rows, text, known)
            scores = self.model.read_out(self.model.model.project_out(rows[:, -1]))
            scores = self.logits_processor(torch.cat([input_ids[:, : self.first], text.ids], dim=1), scores.float())
            text = text._replace(ids=torch.cat([text.ids, self._pick(scores)], dim=1))
            logits.append(scores)
        self.known = known
        candidates = torch.cat([input_ids[:, : self.first], text.ids[:, : known + count]], dim=1)
        return candidates, torch.stack(logits[:count], dim=1) if self.do_sample else None

    def _step(self, k: int, rows: torch.Tensor, text: "Text", known: int) -> torch.Tensor:
        """The states of step k from its first row that is not right for good to row N − 2, from its predecessor's."""
        cache, module = self.caches[k - 1], self.chain[k - 1]
        start, start_before = max(0, self.known - k), max(0, self.known - max(k - 1, 1))
        if start < start_before:
            rows = torch.cat([self.held[k], rows], dim=1)
        if k > 1 and known >= k:
            self.held[k] = rows[:, known - k - start : known - k - start + 1]
        if self.known:
            cache.crop(start - (self.known - 1))
        trunk, end = self.model.model, known - 1
        positions = text.positions()
        ids = text.ids[:, start + k : end + k]
        embeds = trunk.embed(trunk.embed_tokens(ids), positions[:, start + k : end + k])
        mask = None if text.mask is None else text.mask[:, self.first : self.first + end]
        seen = None if text.phases is None else text.phases[:, :end]
        context = trunk.layer_context(rows, mask, positions[:, start:end], cache, module.mask_kinds, seen)
        context |= {"input_ids": ids, "phase_ids": None if seen is None else seen[:, start:], "embeddings": embeds}
        return module(embeds, rows, context, Trace())

    def _pick(self, scores: torch.Tensor) -> torch.Tensor:
        """The next token [1, 1]."""
        if self.do_sample:
            return torch.multinomial(scores.softmax(dim=-1), num_samples=1)
        return scores.argmax(dim=-1, keepdim=True)

    def _phases(self, input_ids: torch.Tensor, inputs: dict) -> torch.Tensor | None:
        """The phases of the tokens, where some are hidden from others."""
        phases = self.model.model.phases
        return phases.of_generated(input_ids, inputs["prompt_length"])[:, self.first :] if phases.hides else None

    def _count(self, input_ids: torch.Tensor, inputs: dict) -> int:
        """How many tokens may be drafted: none beyond the last phase's budget, which would end the text before them."""
        phases = self.model.model.phases
        if not phases.modes:
            return len(self.chain)
        phase, left = (int(value) for value in next_phase(phases, input_ids, inputs["prompt_length"]))
        allowed = left - 1 if phase == phases.last else phases.budgets[-1]
        return min(len(self.chain), max(allowed, 0))


class Text(NamedTuple):
    """What the chain reads: ids [1, T], drafts included; a mask [1, S] over all tokens, `first` of which stand before;
    the phases [1, T].
    """

    ids: torch.Tensor
    mask: torch.Tensor | None
    first: int
    phases: torch.Tensor | None

    def positions(self) -> torch.Tensor:
        """The tokens' positions [1, T], padding left out."""
        count, device = self.ids.shape[1], self.ids.device
        if self.mask is None:
            return torch.arange(self.first, self.first + count, device=device)[None]
        drafts = self.first + count - self.mask.shape[1]
        mask = nn.functional.pad(self.mask, (0, max(drafts, 0)), value=1)
        return (mask.long().cumsum(dim=-1) - 1).clamp(min=0)[:, self.first : self.first + count]
