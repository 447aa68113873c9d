"""The readout of states into logits, and its cross-entropy without the logits [N, V] ever being held as a whole.

Features: the loss a few rows at a time, with what gradients need computed on the way (Liger kernel, Hsu 2024); the
scale, the soft cap, weights of tokens and ignored ones; exponentials, sums and the weight's gradient in fp32 at least
under every dtype. `torch.nn.functional.linear_cross_entropy` knows no cap, and sums bf16 losses in bf16.

Shape suffixes: N tokens, n tokens of a chunk, M width of the states, V vocabulary.
"""

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from .token_losses import IGNORED

CHUNK = 2**23
"""How many logits are held at a time at least: 32 MiB in fp32."""


class Readout(nn.Linear):
    """logits = W·h, or with targets the sum of their cross-entropies.

    Both inside one module's forward, since what shards, offloads or rounds a module's weights hooks into that.
    Parameters: V·M.
    """

    def __init__(self, d_embed: int, vocab_size: int):
        super().__init__(d_embed, vocab_size, bias=False)

    def forward(
        self,
        states: torch.Tensor,
        target: torch.Tensor | None = None,
        weight: torch.Tensor | None = None,
        scale: float = 1.0,
        softcap: float | None = None,
    ) -> torch.Tensor:
        """`states` [..., M] → logits [..., V], or with `target` [...] → Σ weight · cross-entropy, in fp32 at least.

        It is that of the logits times `scale`, softly capped at `softcap`; `weight` [...] is 1 unless given.
        """
        if target is None:
            return super().forward(states)
        matrix, device = self.weight, states.device
        if torch.is_autocast_enabled(device.type):
            dtype = torch.get_autocast_dtype(device.type)
            states, matrix = states.to(dtype), matrix.to(dtype)
        if not torch.is_grad_enabled():
            states, matrix = states.detach(), matrix.detach()
        target_N = target.flatten().to(device)
        counts_N = (target_N != IGNORED).to(torch.promote_types(states.dtype, torch.float32))
        if weight is not None:
            counts_N = counts_N * weight.flatten().to(counts_N)
        with torch.autocast(device.type, enabled=False):
            return SummedCrossEntropy.apply(states.flatten(0, -2), matrix, target_N, counts_N, scale, softcap)


class SummedCrossEntropy(torch.autograd.Function):
    """L = Σ_i w_i · (log Σ_v exp l_iv − l_{i,target}), with l = cap(scale · h Wᵀ) and cap(x) = c · tanh(x/c).

    With P = softmax(l) − onehot(target), and P ⊙ (1 − (l/c)²) where there is a cap, the gradients are
    ∂h = scale · w ⊙ (P W) and ∂W = scale · Pᵀ (w ⊙ h): known when the logits are, so the forward computes them.
    """

    @staticmethod
    def forward(ctx, states_NM, weight_VM, target_N, counts_N, scale, softcap):
        """`states_NM` and `weight_VM` of one floating type, `target_N` int64, `counts_N` w in fp32 at least."""
        n_tokens, vocabulary, wide = len(states_NM), len(weight_VM), counts_N.dtype
        of_states, of_weight = ctx.needs_input_grad[:2]
        size = min(n_tokens, max(CHUNK, states_NM.numel()) // vocabulary + 1)
        buffers = states_NM.new_empty(2, size, vocabulary, dtype=wide)
        loss_N = counts_N.new_empty(n_tokens)
        grad_states = torch.empty_like(states_NM) if of_states else None
        grad_weight = torch.zeros_like(weight_VM, dtype=wide) if of_weight else None
        factor_N1 = (counts_N * scale)[:, None]
        target_N1 = target_N.clamp(min=0)[:, None]
        for start in range(0, n_tokens, size):
            rows = slice(start, start + size)
            states_nM = states_NM[rows]
            logits_nV, log_p_nV = buffers[:, : len(states_nM)].unbind(0)
            _multiply(states_nM, weight_VM.T, logits_nV)
            if scale != 1.0:
                logits_nV.mul_(scale)
            if softcap is not None:
                logits_nV.div_(softcap).tanh_().mul_(softcap)
            torch.log_softmax(logits_nV, dim=-1, out=log_p_nV)
            loss_N[rows] = -log_p_nV.gather(1, target_N1[rows]).squeeze(1)
            if not (of_states or of_weight):
                continue
            grad_nV = log_p_nV.exp_()
            grad_nV.scatter_add_(1, target_N1[rows], grad_nV.new_full((len(grad_nV), 1), -1.0))
            if softcap is not None:
                grad_nV.mul_(logits_nV.div_(softcap).square_().neg_().add_(1.0))
            grad_nV = grad_nV.to(weight_VM.dtype)
            if grad_states is not None:
                grad_states[rows] = (grad_nV @ weight_VM).mul_(factor_N1[rows])
            if grad_weight is not None:
                weighted_nM = states_nM * factor_N1[rows].to(states_nM.dtype)
                _add_product(grad_weight, grad_nV.T, weighted_nM)
        ctx.save_for_backward(grad_states, grad_weight)
        ctx.weight_dtype = weight_VM.dtype
        return torch.where(counts_N == 0, 0.0, loss_N * counts_N).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        """The gradients of states and weight."""
        grad_states, grad_weight = ctx.saved_tensors
        if grad_states is not None:
            grad_states = grad_states * grad
        if grad_weight is not None:
            grad_weight = (grad_weight * grad).to(ctx.weight_dtype)
        return grad_states, grad_weight, None, None, None, None


def _multiply(a: torch.Tensor, b: torch.Tensor, out: torch.Tensor) -> None:
    """out = a b, which may be of a wider type."""
    if a.dtype == out.dtype:
        torch.mm(a, b, out=out)
    else:
        out.copy_(a @ b)


def _add_product(total: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> None:
    """total += a b, which may be of a wider type."""
    if a.dtype == total.dtype:
        total.addmm_(a, b)
    else:
        total.add_(a @ b)
