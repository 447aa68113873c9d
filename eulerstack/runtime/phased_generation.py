"""Generation in phases: every phase's budget is kept, and the transition between two is waited for or forced.

Shape suffixes: B batch, T tokens, S tokens so far, V vocabulary.
"""

from typing import Any

import torch
from transformers import LogitsProcessor, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList
from transformers.generation import GenerationMixin

from .execution_modes import PROMPT, Phases, begin_turn


class PhaseProcessor(LogitsProcessor):
    """Shapes the next token's logits by the phase that it falls in. It keeps no state: phases follow from the tokens.

    - The last token of a phase's budget is the transition token, where the spec names one.
    - No text ends before its last phase.
    - A row whose last phase is over is padded.
    """

    def __init__(self, phases: Phases, prompt_length: int, eos_token_ids: list[int], pad_token_id: int):
        self.phases, self.prompt_length = phases, prompt_length
        self.eos_token_ids, self.pad_token_id = eos_token_ids, pad_token_id
        self.forced = phases.token_id if phases.token is not None else None

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """`input_ids` [B, S], `scores` [B, V] → the scores, −∞ where the phase forbids a token."""
        phase_B, left_B = next_phase(self.phases, input_ids, self.prompt_length)
        early_B1 = (phase_B < self.phases.last)[:, None]
        token_V = torch.arange(scores.shape[-1], device=scores.device)
        ends_V = torch.isin(token_V, torch.tensor(self.eos_token_ids, device=scores.device))
        allowed_BV = ~(early_B1 & ends_V)
        if self.forced is not None:
            allowed_BV &= ~(early_B1 & (left_B[:, None] <= 1)) | (token_V == self.forced)
        over_B1 = (phase_B == self.phases.last)[:, None] & (left_B[:, None] <= 0)
        allowed_BV = torch.where(over_B1, token_V == self.pad_token_id, allowed_BV)
        # What is forced must be possible, whatever other processors say.
        forced_BV = allowed_BV.sum(-1, keepdim=True) == 1
        return torch.where(forced_BV, 0.0, scores).masked_fill(~allowed_BV, -torch.inf)


class LastBudget(StoppingCriteria):
    """Ends a row when its last phase's budget is used up."""

    def __init__(self, phases: Phases, prompt_length: int):
        self.phases, self.prompt_length = phases, prompt_length

    def __call__(self, input_ids: torch.Tensor, scores, **kwargs) -> torch.Tensor:
        """Which of the rows [B] are done."""
        phase_B, left_B = next_phase(self.phases, input_ids, self.prompt_length)
        return (phase_B == self.phases.last) & (left_B <= 0)


def next_phase(phases: Phases, ids_BS: torch.Tensor, prompt_length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The phase [B] that the next token falls in, and how much of its budget is left [B]."""
    if ids_BS.shape[1] <= prompt_length:
        phase_B = torch.zeros(ids_BS.shape[0], dtype=torch.long, device=ids_BS.device)
        return phase_B, torch.full_like(phase_B, phases.budgets[0])
    counted_BS = (torch.arange(ids_BS.shape[1], device=ids_BS.device) >= prompt_length).expand_as(ids_BS)
    phase_BS, ticks_BS = phases.assign(ids_BS, counted_BS)
    phase_B = phases.at(ticks_BS[:, -1])
    budget_B = torch.tensor(phases.budgets, device=ids_BS.device)[phase_B]
    return phase_B, budget_B - (phase_BS == phase_B[:, None]).sum(dim=1)


class PhasedGenerationMixin(GenerationMixin):
    """`generate` as transformers has it; for a model with `execution_modes`, phase by phase."""

    model: Any

    def generate(  # type: ignore[override]
        self, inputs=None, generation_config=None, logits_processor=None, stopping_criteria=None, **kwargs
    ):
        """As transformers' `generate`. In phases, `max_new_tokens` is the sum of the budgets unless it is given.

        All of the input is the prompt, also what `past_key_values` hold of it.
        """
        phases: Phases = self.model.phases
        if not phases.modes:
            return super().generate(  # type: ignore[misc]
                inputs, generation_config, logits_processor, stopping_criteria, **kwargs
            )
        settings: Any = generation_config or self.generation_config
        given = [kwargs.get(name, getattr(settings, name)) for name in ("max_new_tokens", "max_length")]
        if given == [None, None]:
            kwargs["max_new_tokens"] = sum(phases.budgets)
        ids = inputs if inputs is not None else kwargs.get("input_ids")
        prompt_length = 0 if ids is None else ids.shape[1]
        eos, pad = (kwargs.get(name, getattr(settings, name)) for name in ("eos_token_id", "pad_token_id"))
        ends = [] if eos is None else torch.as_tensor(eos).flatten().tolist()
        padding = next((token for token in (pad, *ends) if token is not None), 0)
        processor = PhaseProcessor(phases, prompt_length, ends, padding)
        if kwargs.get("past_key_values") is not None:
            begin_turn(kwargs["past_key_values"])
        return super().generate(  # type: ignore[misc]
            inputs,
            generation_config,
            LogitsProcessorList([*(logits_processor or ()), processor]),
            StoppingCriteriaList([*(stopping_criteria or ()), LastBudget(phases, prompt_length)]),
            prompt_length=prompt_length,
            **kwargs,
        )

    def prepare_inputs_for_generation(  # type: ignore[override]
        self, input_ids, inputs_embeds=None, prompt_length: int | None = None, **kwargs
    ) -> dict:
        """As transformers does; with the phases of the tokens that enter, where some see less than others."""
        prepared = super().prepare_inputs_for_generation(  # type: ignore[misc]
            input_ids, inputs_embeds=inputs_embeds, **kwargs
        )
        phases: Phases = self.model.phases
        if phases.hides and prompt_length is not None:
            entering = prepared["input_ids"] if prepared.get("input_ids") is not None else prepared["inputs_embeds"]
            phase_BS = phases.of_generated(input_ids, prompt_length)
            missing = max(0, entering.shape[1] - phase_BS.shape[1])  # a prompt of embeddings
            phase_BS = torch.nn.functional.pad(phase_BS, (missing, 0), value=PROMPT)
            prepared["phase_ids"] = phase_BS[:, -entering.shape[1] :]
        return prepared

    def visible_tokens(self, sequences: torch.Tensor, prompt_length: int) -> list[torch.Tensor]:
        """What a user is to read of generated `sequences` [B, S]: for each row its tokens after the prompt, without
        those of phases whose `visible_to_user` is false. A transition token goes with the phase that it ends.
        """
        phases: Phases = self.model.phases
        generated = sequences[:, prompt_length:]
        if not phases.modes:
            return list(generated)
        visible = torch.tensor([mode["visible_to_user"] for mode in phases.modes], device=sequences.device)
        shown_BT = visible[phases.of_generated(sequences, prompt_length)[:, prompt_length:]]
        return [row[shown] for row, shown in zip(generated, shown_BT, strict=True)]

    def decode_visible(self, tokenizer, sequences: torch.Tensor, prompt_length: int, **kwargs) -> list[str]:
        """The text of `visible_tokens`, special tokens left out unless `skip_special_tokens=False`."""
        options = {"skip_special_tokens": True, **kwargs}
        return [tokenizer.decode(row, **options) for row in self.visible_tokens(sequences, prompt_length)]
