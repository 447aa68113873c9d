"""Phases of a generated text (DeepSeek-R1's thinking and answer, Quiet-STaR's thoughts): `execution_modes`.

Features: phases told by a transition token or by budgets; labels weighted by phase; earlier phases' keys hidden from a
later one, in training and decoding alike. Generation by phases stands in `phased_generation.py`. The prompt is no
phase: all of them see it, and it counts towards no budget.

Shape suffixes: B batch, T tokens, S tokens so far.
"""

from itertools import accumulate
from typing import Any

import torch
from torch import nn
from transformers.cache_utils import Cache

from .cache import StateLayer
from .token_losses import IGNORED

PROMPT = -1
"""The phase of tokens that belong to none: the prompt, and padding."""


class Phases:
    """The phases of a model, as its config tells them.

    special_token: each transition token ends a phase, and belongs to the one that it ends. budget_exhausted (also
    without a `transition`): each phase has `max_tokens` tokens. The last phase goes on to the end.
    """

    def __init__(self, config):
        self.config = config
        extensions = config.v1_extensions
        self.modes: list[dict[str, Any]] = extensions.get("execution_modes") or []
        transition = extensions.get("transition") or {"type": "budget_exhausted"}
        self.by_token, self.token = transition["type"] == "special_token", transition.get("token")
        self.budgets = [mode["max_tokens"] for mode in self.modes]
        self.last = len(self.modes) - 1
        # A phase begins after so many ticks: transition tokens, or tokens at all.
        self.starts = list(range(1, len(self.modes))) if self.by_token else list(accumulate(self.budgets))[:-1]
        self.hides = hides_keys(config)

    @property
    def token_id(self) -> int:
        """The transition token's. Raises ValueError where the model was compiled without a tokenizer that has it."""
        if self.config.transition_token_id is None:
            raise ValueError(
                f"the id of the transition token {self.token!r} is not known: "
                "set model.config.transition_token_id to the tokenizer's id of it"
            )
        return self.config.transition_token_id

    def assign(
        self,
        ids_BT: torch.Tensor | None,
        counted_BT: torch.Tensor,
        starts_BT: torch.Tensor | None = None,
        before: torch.Tensor | int = 0,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The phase of each token [B, T], PROMPT where it does not count, and the ticks up to and with it [B, T].

        `starts_BT` marks where packed sequences begin; `before` [B, 1] are the ticks of earlier tokens. Raises
        ValueError where a transition token tells phases and the tokens' ids are not known.
        """
        tick_BT = counted_BT
        if self.by_token:
            if ids_BT is None:
                raise ValueError("phases are told by a token: call the model with input_ids, or pass phase_ids")
            tick_BT = counted_BT & (ids_BT == self.token_id)
        after_BT = tick_BT.cumsum(dim=1) + before
        before_BT = after_BT - tick_BT.long()
        if starts_BT is not None:
            before_BT = before_BT - since_start(before_BT, starts_BT)
        return torch.where(counted_BT, self.at(before_BT), PROMPT), after_BT

    def at(self, ticks: torch.Tensor) -> torch.Tensor:
        """The phase of a token that so many ticks stand before."""
        return torch.bucketize(
            ticks.contiguous(), torch.tensor(self.starts, device=ticks.device, dtype=ticks.dtype), right=True
        )

    def of_inputs(
        self, told_BT: torch.Tensor | None, input_ids: torch.Tensor | None, real_BT: torch.Tensor, past_key_values
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The phases [B, T] of what enters the model, and those of all tokens that it sees [B, S].

        `told_BT` are what the caller says; otherwise there is no prompt, and all real tokens count.
        """
        state = phase_state(past_key_values)
        before = 0 if state is None or not state.tensors else state.tensors["ticks"][:, -1:]
        if told_BT is None:
            phase_BT, ticks_BT = self.assign(input_ids, real_BT, before=before)
        else:
            phase_BT = told_BT
            ticks_BT = torch.zeros_like(phase_BT) + before
            if input_ids is not None or not self.by_token:
                ticks_BT = self.assign(input_ids, phase_BT != PROMPT, before=before)[1]
        return phase_BT, phase_BT if state is None else state.extend(phase_BT, ticks_BT)

    def of_labels(
        self, labels_BT: torch.Tensor, ids_BT: torch.Tensor | None, position_ids: torch.Tensor | None
    ) -> torch.Tensor:
        """The phases [B, T] of a training batch: labels that are ignored before any that is not are the prompt."""
        starts_BT = None if position_ids is None else sequence_starts(position_ids, labels_BT)
        labelled_BT = labels_BT != IGNORED
        seen_BT = labelled_BT.cumsum(dim=1)
        if starts_BT is not None:
            seen_BT = seen_BT - since_start(seen_BT - labelled_BT.long(), starts_BT)
        return self.assign(labels_BT if ids_BT is None else ids_BT, seen_BT > 0, starts_BT)[0]

    def of_generated(self, ids_BS: torch.Tensor, prompt_length: int) -> torch.Tensor:
        """The phases [B, S] of a prompt and of what was generated after it."""
        index_S = torch.arange(ids_BS.shape[1], device=ids_BS.device)
        return self.assign(ids_BS, (index_S >= prompt_length).expand_as(ids_BS))[0]

    def loss_weights(self, phase_BT: torch.Tensor) -> torch.Tensor | None:
        """What each row's loss is weighted with, [B, T], by its next token's phase; None where all weights are 1."""
        weights = [mode["loss_weight"] for mode in self.modes]
        if all(weight == 1 for weight in weights):
            return None
        by_phase = torch.tensor([*weights, 1.0], device=phase_BT.device)  # PROMPT, −1, reads the last
        return nn.functional.pad(by_phase[phase_BT][:, 1:], (0, 1), value=1.0)

    def state_layers(self) -> list[StateLayer]:
        """What a cache keeps for the phases' sake, at its end."""
        return [PhaseState()] if self.hides else []

    def overlay(self, phase_BS: torch.Tensor):
        """Which keys a query may see for its phase's sake, as transformers' mask functions tell it: over slots."""
        shares = torch.tensor([*(mode["kv_share"] for mode in self.modes), True], device=phase_BS.device)

        def overlay(batch_idx, head_idx, q_idx, kv_idx):
            query, key = phase_BS[batch_idx, q_idx], phase_BS[batch_idx, kv_idx]
            return shares[query] | (key == query) | (key == PROMPT)

        return overlay


def hides_keys(config) -> bool:
    """Whether some phase does not see the keys of an earlier one."""
    modes = config.v1_extensions.get("execution_modes") or []
    return any(not mode["kv_share"] for mode in modes[1:])


def sequence_starts(position_ids: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Where a packed sequence begins, [B, T] like `like`: at each row's start and where positions jump."""
    jumps = nn.functional.pad(position_ids.diff(dim=-1) != 1, (1, 0), value=True)
    return jumps.expand(like.shape[0], -1)


def since_start(count_BT: torch.Tensor, starts_BT: torch.Tensor) -> torch.Tensor:
    """What a count that never falls was where each token's sequence began."""
    return torch.where(starts_BT, count_BT, 0).cummax(dim=1).values


class PhaseState(StateLayer):
    """The phase of every token that a cache holds, and the ticks up to and with it: `phase` and `ticks` [B, S]."""

    is_croppable = True

    def extend(self, phase_BT: torch.Tensor, ticks_BT: torch.Tensor) -> torch.Tensor:
        """Note new tokens; returns all phases, [B, S]."""
        new = {"phase": phase_BT, "ticks": ticks_BT}
        if self.tensors:
            new = {name: torch.cat([self.tensors[name], tensor], dim=1) for name, tensor in new.items()}
        self.advance(phase_BT.shape[1], **new)
        return new["phase"]

    def begin_turn(self) -> None:
        """What was said before is the next text's prompt."""
        fresh = {"phase": PROMPT, "ticks": 0}
        self.tensors = {name: torch.full_like(tensor, fresh[name]) for name, tensor in self.tensors.items()}

    def crop(self, tokens_to_remove: int) -> None:
        """Forget the last −`tokens_to_remove` tokens."""
        if tokens_to_remove:
            self.tensors = {name: tensor[:, :tokens_to_remove] for name, tensor in self.tensors.items()}
            self.seen += tokens_to_remove


def phase_state(past_key_values: Cache | None) -> PhaseState | None:
    """Where a cache notes phases, if it does."""
    layer = past_key_values.layers[-1] if past_key_values is not None and past_key_values.layers else None
    return layer if isinstance(layer, PhaseState) else None


def begin_turn(past_key_values: Cache) -> None:
    """A cache that one text filled is about to be continued by another, which has phases of its own."""
    for layer in past_key_values.layers:
        if isinstance(layer, PhaseState):
            layer.begin_turn()
        for row in getattr(layer, "rows", ()):
            begin_turn(row)
