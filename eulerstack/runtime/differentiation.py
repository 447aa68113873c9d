"""Losses that make routed units differ, and their use predictable (`training_hints.differentiation_objectives`).

Features: a probe that predicts from the token's state what a router will choose; the mutual information between tokens
and experts (as in ModuleFormer, Shen 2023); orthogonal outputs of the experts of one token (as in OMoE, Liu 2023). All
are taken in training only, and padding counts nowhere.

Routed units are mixtures of experts, branched mixers and depth routers. Every unit answers with a `Tally`, [3, 2]: for
each objective the loss of this unit and 1, or 0 and 0 where the unit does not have it; tallies add up.

Shape suffixes: B batch, T tokens, E choices, K chosen, M d_model.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import nn

NAMES = ("usage_probe", "router_mutual_information", "expert_orthogonality")
"""The objectives, in the order of a tally's rows; each has a coefficient `<name>_coef`."""

Tally = torch.Tensor


def coefficients(config) -> dict[str, float]:
    """What each objective is weighted with; an absent one with 0."""
    hints = config.training_hints.get("differentiation_objectives") or {}
    return {name: hints.get(f"{name}_coef", 0.0) for name in NAMES}


class Objectives(nn.Module):
    """The objectives of one routed unit with E choices, read from inputs that are M wide.

    The probe is a linear map M → E of its own, with a bias, zero at first. Parameters: (M + 1)·E where
    `usage_probe_coef` > 0, else none.
    """

    def __init__(self, config, d_model: int, choices: int):
        super().__init__()
        wanted = coefficients(config)
        self.wanted = tuple(wanted[name] > 0 for name in NAMES)
        self.probe = nn.Linear(d_model, choices) if wanted["usage_probe"] > 0 else None

    @property
    def compares_outputs(self) -> bool:
        """Whether the experts' outputs are wanted."""
        return self.wanted[NAMES.index("expert_orthogonality")]

    def forward(
        self,
        x_BTM: torch.Tensor,
        chosen_BTE: torch.Tensor,
        token_mask: torch.Tensor | None,
        share_BTE: torch.Tensor | None = None,
        outputs_BTKM: torch.Tensor | None = None,
    ) -> Tally | None:
        """The tally of one forward in training; None in evaluation, and where nothing is wanted.

        `chosen_BTE` is what the router chose (a 1 for each chosen one); `share_BTE` its probabilities; `outputs_BTKM`
        the chosen experts' outputs before they are weighted.
        """
        if not self.training or not any(self.wanted):
            return None
        usage, information, orthogonality = self.wanted
        losses: list[torch.Tensor | None] = [None, None, None]
        if usage and self.probe is not None:
            logits_BTE = self.probe(x_BTM.to(self.probe.weight.dtype))
            losses[0] = usage_loss(logits_BTE, chosen_BTE, token_mask)
        if information and share_BTE is not None:
            losses[1] = -mutual_information(share_BTE, token_mask)
        if orthogonality and outputs_BTKM is not None and outputs_BTKM.shape[2] > 1:
            losses[2] = squared_cosine(outputs_BTKM, token_mask)
        zero = x_BTM.new_zeros((), dtype=torch.float32)
        rows = [torch.stack([zero, zero] if loss is None else [loss.float(), zero + 1]) for loss in losses]
        return torch.stack(rows)


def build_objectives(config, d_model: int, choices: int) -> Objectives | None:
    """The objectives of a unit; None where no coefficient asks for any."""
    return Objectives(config, d_model, choices) if any(coefficients(config).values()) else None


def usage_loss(logits_BTE: torch.Tensor, chosen_BTE: torch.Tensor, token_mask: torch.Tensor | None) -> torch.Tensor:
    """The mean over tokens of −(1/K)·Σ_{e chosen} log p_e: cross-entropy against the choice, equally shared.

    A single choice E = 1, chosen or not, is predicted by σ instead. Gradient reaches the logits, never the choice.
    """
    wide = torch.promote_types(logits_BTE.dtype, torch.float32)
    target_BTE = chosen_BTE.detach().to(wide)
    if logits_BTE.shape[-1] == 1:
        wrong_BTE = nn.functional.binary_cross_entropy_with_logits(logits_BTE.to(wide), target_BTE, reduction="none")
        return _mean(wrong_BTE[..., 0], token_mask)
    target_BTE = target_BTE / target_BTE.sum(-1, keepdim=True).clamp(min=1)
    return _mean(-(target_BTE * logits_BTE.to(wide).log_softmax(-1)).sum(-1), token_mask)


def mutual_information(share_BTE: torch.Tensor, token_mask: torch.Tensor | None) -> torch.Tensor:
    """H(E) − H(E | token) in nats: entropy of the mean share, less the mean entropy of the shares."""
    share_BTE = share_BTE.to(torch.promote_types(share_BTE.dtype, torch.float32))
    mean_E = torch.stack([_mean(share_BT, token_mask) for share_BT in share_BTE.unbind(-1)])
    return _entropy(mean_E) - _mean(_entropy(share_BTE), token_mask)


def squared_cosine(outputs_BTKM: torch.Tensor, token_mask: torch.Tensor | None) -> torch.Tensor:
    """The mean over tokens, and over pairs of a token's experts, of the squared cosine of their outputs."""
    wide = torch.promote_types(outputs_BTKM.dtype, torch.float32)
    unit_BTKM = nn.functional.normalize(outputs_BTKM.to(wide), dim=-1)
    cosine_BTKK = unit_BTKM @ unit_BTKM.mT
    chosen = outputs_BTKM.shape[2]
    pairs = torch.ones(chosen, chosen, dtype=torch.bool, device=outputs_BTKM.device).triu(1)
    return _mean(cosine_BTKK[..., pairs].square().mean(-1), token_mask)


def one_hot_sum(index_BTK: torch.Tensor, choices: int) -> torch.Tensor:
    """What was chosen [B, T, E], a 1 for each, from the indices."""
    return nn.functional.one_hot(index_BTK, choices).sum(-2)


def add_tallies(*tallies: Tally | None) -> Tally | None:
    """The sum of those that are there; None where none is."""
    present = [tally for tally in tallies if tally is not None]
    return torch.stack(present).sum(0) if present else None


def differentiate(config, tallies: Sequence[tuple[str, Tally]]) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """The objectives by name, and their sum times their coefficients; `tallies` are (block, tally) of each unit.

    An objective is the mean over all units that have it, repeats included. Besides, for whoever watches, it is told for
    each column of the tissue as `<objective>/<column>`, detached.
    """
    columns = (config.v1_extensions.get("tissue") or {}).get("columns", ())
    column_of = {block: column["name"] for column in columns for block in column["templates"]}
    found = dict(_means([tally for _, tally in tallies]))
    weights = coefficients(config)
    weighted = sum((weights[name] * loss for name, loss in found.items()), torch.zeros(()))
    for column in dict.fromkeys(column_of.values()):
        own = [tally.detach() for block, tally in tallies if column_of.get(block) == column]
        found |= {f"{name}/{column}": loss for name, loss in _means(own)}
    return found, weighted


def _means(tallies: Sequence[Tally]) -> Iterator[tuple[str, torch.Tensor]]:
    """Each objective that any of these units has, averaged over those."""
    if tallies:
        total = torch.stack(list(tallies)).sum(0)
        yield from ((name, row[0] / row[1]) for name, row in zip(NAMES, total, strict=True) if row[1].detach() > 0)


def _entropy(share: torch.Tensor) -> torch.Tensor:
    return torch.special.entr(share).sum(-1)


def _mean(per_token_BT: torch.Tensor, token_mask: torch.Tensor | None) -> torch.Tensor:
    """Over the tokens that are not padding."""
    if token_mask is None:
        return per_token_BT.mean()
    mask_BT = token_mask.to(per_token_BT.dtype)
    return (per_token_BT * mask_BT).sum() / mask_BT.sum().clamp(min=1)
