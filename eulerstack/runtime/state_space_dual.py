"""The recurrence of Mamba-2, h_t = exp(Δ_t A) h_{t−1} + Δ_t x_t ⊗ B_t and y_t = h_t C_t, with one number A a head.

In chunks, as matrix products (state space duality, Dao & Gu 2024): inside a chunk like attention, scores C Bᵀ times the
decay between the two tokens; between chunks one state a head is carried on. Decays are exponentials of sums of Δ·A ≤ 0
alone, never of a difference of long sums, so nothing overflows and nothing cancels.

Shape suffixes: B batch, T tokens, c chunks of Q tokens, H heads in G groups of R, P head_dim, N state size.
"""

import torch
from torch.nn.functional import pad

from .state_space_kernels import chunk_scan_kernel, runs_on


def state_space_dual(
    x_BTHP: torch.Tensor,
    delta_BTH: torch.Tensor,
    A_H: torch.Tensor,
    B_BTGN: torch.Tensor,
    C_BTGN: torch.Tensor,
    chunk_size: int,
    state_BHPN: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """y [B, T, H, P] and the state after the last token [B, H, P, N], from `state_BHPN` (None: zeros) before the first.

    All tensors share one floating type, fp32 or wider. The heads of one group follow each other and share B and C.
    Where Δ is 0 a token leaves the state as it is. The result does not depend on `chunk_size`.
    """
    if runs_on(chunk_scan_kernel, x_BTHP):
        settings = {"initial_states": state_BHPN, "return_final_states": True}
        return chunk_scan_kernel(x_BTHP, delta_BTH, A_H, B_BTGN, C_BTGN, chunk_size, **settings)
    batch, n_tokens, n_heads, head_dim = x_BTHP.shape
    n_groups, d_state = B_BTGN.shape[2:]
    grouped = (n_groups, n_heads // n_groups)
    chunk = min(chunk_size, n_tokens)
    missing = -n_tokens % chunk

    def chunked(tensor: torch.Tensor) -> torch.Tensor:
        return pad(tensor, (0, 0) * (tensor.dim() - 2) + (0, missing)).unflatten(1, (-1, chunk))

    input_BcGRQP = chunked(x_BTHP * delta_BTH.unsqueeze(-1)).unflatten(3, grouped).permute(0, 1, 3, 4, 2, 5)
    log_decay_BcGRQ = chunked(delta_BTH * A_H).unflatten(3, grouped).permute(0, 1, 3, 4, 2)
    B_BcG1QN, C_BcG1QN = (chunked(tensor).transpose(2, 3).unsqueeze(3) for tensor in (B_BTGN, C_BTGN))

    decay_BcGRQQ = decay_between(log_decay_BcGRQ)
    within = (C_BcG1QN @ B_BcG1QN.mT * decay_BcGRQQ) @ input_BcGRQP
    from_start_BcGRQ1 = log_decay_BcGRQ.cumsum(-1).exp().unsqueeze(-1)
    to_end_BcGRQ1 = decay_BcGRQQ[..., -1, :].unsqueeze(-1)
    added_BcGRPN = (input_BcGRQP * to_end_BcGRQ1).mT @ B_BcG1QN

    if state_BHPN is None:
        state_BHPN = x_BTHP.new_zeros(batch, n_heads, head_dim, d_state)
    state_BGRPN = state_BHPN.unflatten(1, grouped)
    before = []
    for kept_BGR11, added_BGRPN in zip(from_start_BcGRQ1[..., -1:, :].unbind(1), added_BcGRPN.unbind(1), strict=True):
        before.append(state_BGRPN)
        state_BGRPN = torch.addcmul(added_BGRPN, kept_BGR11, state_BGRPN)
    y_BcGRQP = within + C_BcG1QN @ torch.stack(before, dim=1).mT * from_start_BcGRQ1
    y_BTHP = y_BcGRQP.permute(0, 1, 4, 2, 3, 5).reshape(batch, -1, n_heads, head_dim)
    return y_BTHP[:, :n_tokens], state_BGRPN.flatten(1, 2)


def decay_between(log_decay: torch.Tensor) -> torch.Tensor:
    """[..., Q] → [..., Q, Q]: exp(Σ log_decay over j < k ≤ i) for i ≥ j, and 0 above the diagonal."""
    size = log_decay.shape[-1]
    causal = torch.ones(size, size, dtype=torch.bool, device=log_decay.device).tril()
    terms = log_decay.unsqueeze(-1).expand(*log_decay.shape, size).masked_fill(~causal.tril(-1), 0)
    return terms.cumsum(-2).masked_fill(~causal, -torch.inf).exp()
