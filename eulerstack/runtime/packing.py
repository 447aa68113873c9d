"""Several sequences packed into one row, told by position ids that jump back.

Attention keeps packed sequences apart by its mask. A recurrent state cannot be reset inside a row, so a model with any
recurrent part runs every sequence as a row of its own, padded on the right, and packs the results again.

Shape suffixes: B rows, T tokens, R sequences, L the longest sequence's length.
"""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Packing:
    """Where the tokens of R sequences stand: `index` [R, L] into the flattened rows, `mask` [R, L] 0 for padding."""

    index: torch.Tensor
    mask: torch.Tensor

    def unpack(self, rows: torch.Tensor) -> torch.Tensor:
        """[B, T, …] → [R, L, …]."""
        return rows.flatten(0, 1)[self.index]

    def pack(self, sequences: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """[R, L, …] → [B, T, …], the first two sizes of `like`."""
        real = self.mask.bool()
        flat = sequences.new_zeros(like.shape[0] * like.shape[1], *sequences.shape[2:])
        return flat.index_put((self.index[real],), sequences[real]).unflatten(0, like.shape[:2])


def is_packed(position_ids: torch.Tensor) -> bool:
    """Whether any position in [B, T] does not follow its predecessor: several sequences in a row."""
    return bool((position_ids.diff(dim=-1) != 1).any())


def find_packing(position_ids: torch.Tensor, batch: int) -> Packing:
    """The sequences of `position_ids` [1 or B, T]: one begins at each row's start and wherever positions jump."""
    position_ids = position_ids.expand(batch, -1)
    starts = torch.ones_like(position_ids, dtype=torch.bool)
    starts[:, 1:] = position_ids.diff(dim=-1) != 1
    first_R = starts.flatten().nonzero().squeeze(1)
    length_R = torch.diff(first_R, append=first_R.new_tensor([position_ids.numel()]))
    offset_L = torch.arange(int(length_R.max()), device=position_ids.device)
    mask_RL = offset_L < length_R[:, None]
    return Packing(torch.where(mask_RL, first_R[:, None] + offset_L, 0), mask_RL.long())


def run_unpacked(model, input_ids, inputs_embeds, position_ids, phase_ids, **kwargs):
    """What an EulerStackModel's forward would give for packed sequences, each run as a row of its own."""
    packing = find_packing(position_ids, inputs_embeds.shape[0])
    kwargs["phase_ids"] = None if phase_ids is None else packing.unpack(phase_ids)
    if input_ids is None:
        inputs = {"inputs_embeds": packing.unpack(inputs_embeds)}
    else:
        inputs = {"input_ids": packing.unpack(input_ids)}
    positions = packing.unpack(position_ids.expand(inputs_embeds.shape[:2]))
    out = model(**inputs, attention_mask=packing.mask, position_ids=positions, use_cache=False, **kwargs)
    for name in ("readouts", "ahead"):
        states = getattr(out, name) or ()
        setattr(out, name, tuple(packing.pack(state, inputs_embeds) for state in states) or None)
    # What hooks recorded of the rows, they record again as it is packed.
    for state in out.hidden_states or ():
        model.boundary(packing.pack(state, inputs_embeds))
    for routing in out.routings or ():
        whole = routing.logits.shape[:2] == packing.index.shape
        model.router_boundary(packing.pack(routing.logits, inputs_embeds) if whole else routing.logits)
    out.last_hidden_state = packing.pack(out.last_hidden_state, inputs_embeds)
    return out
