"""Hyper-connections: n residual streams in place of one, and how a layer reads, writes and mixes them.

Features: Birkhoff mixing, a doubly stochastic matrix by Sinkhorn iterations (mHC, Xie 2026, as in DeepSeek-V4);
unconstrained mixing with static and dynamic parts (Zhu 2024, arXiv 2409.19606); a learned low-rank mixing.

Every form gives a branch f its input Σ_i pre_i X_i and makes X' = post ⊗ f(input) + Cᵀ X of the streams X [n, M].

Shape suffixes: B batch, T tokens, n streams, M d_model, r rank.
"""

import torch
from torch import nn

EPS = 1e-6
"""Added to mHC's sigmoid, softmax and Sinkhorn denominators, as in DeepSeek-V4."""


def weightless_rms(x: torch.Tensor, eps: float) -> torch.Tensor:
    """x / √(mean(x²) + eps) over the last dimension."""
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)


def sinkhorn(logits: torch.Tensor, iterations: int) -> torch.Tensor:
    """A nearly doubly stochastic matrix: softmax over rows, then columns and rows normalised in turn, columns last.

    Without any iteration only the rows have sum 1.
    """
    C = logits.softmax(dim=-1) + EPS
    for iteration in range(iterations):
        if iteration:
            C = C / (C.sum(dim=-1, keepdim=True) + EPS)
        C = C / (C.sum(dim=-2, keepdim=True) + EPS)
    return C


class BirkhoffConnection(nn.Module):
    """mHC: [p, q, c] = W · rms(vec X); pre = σ(s₀p + b), post = 2σ(s₁q + b), C = sinkhorn(s₂c + B), in fp32.

    `fn` is W [(2+n)·n, n·M], `base` holds the biases b, b, B, `scale` is s. Parameters: (2n + n²)(nM + 1) + 3.
    With fn = 0 and the initial base this is a pre-norm residual connection, but for EPS.
    """

    def __init__(self, d_model: int, eps: float, spec: dict):
        super().__init__()
        self.n, self.iterations, self.eps = spec["expand"], spec["sinkhorn_iters"], eps
        outputs = (2 + self.n) * self.n
        self.fn = nn.Parameter(torch.empty(outputs, self.n * d_model))
        self.base = nn.Parameter(torch.empty(outputs))
        self.scale = nn.Parameter(torch.empty(3))

    def forward(self, x_BTnM: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Streams [B, T, n, M] → the branch's input [B, T, M], post [B, T, n], C [B, T, n, n]."""
        wide = torch.promote_types(x_BTnM.dtype, torch.float32)
        sizes = [self.n, self.n, self.n * self.n]
        weights = nn.functional.linear(weightless_rms(x_BTnM.flatten(2).to(wide), self.eps), self.fn.to(wide))
        parts = zip(weights.split(sizes, dim=-1), self.scale.unbind(), self.base.split(sizes), strict=True)
        pre, post, mixing = (w * s + b for w, s, b in parts)
        pre_BTn = torch.sigmoid(pre) + EPS
        input_BTM = (pre_BTn.unsqueeze(-1) * x_BTnM).sum(dim=2).to(x_BTnM.dtype)
        return input_BTM, 2 * torch.sigmoid(post), sinkhorn(mixing.unflatten(-1, (self.n, self.n)), self.iterations)


class UnconstrainedConnection(nn.Module):
    """HC: [pre | C] = A + s_a·tanh(x̂ W_a), post = β + s_b·tanh(x̂ w_b), with x̂ = rmsnorm(X) stream by stream.

    A [n, n+1] starts as a one-hot column beside the identity, β as ones. Parameters: n(n+1) + M(n+1) + 1 for pre and C,
    n + M + 1 for post, M for the norm.
    """

    def __init__(self, d_model: int, eps: float, spec: dict):
        super().__init__()
        self.n, self.eps = spec["expand"], eps
        self.norm_weight = nn.Parameter(torch.empty(d_model))
        self.static_alpha = nn.Parameter(torch.empty(self.n, self.n + 1))
        self.dynamic_alpha = nn.Parameter(torch.empty(d_model, self.n + 1))
        self.alpha_scale = nn.Parameter(torch.empty(1))
        self.static_beta = nn.Parameter(torch.empty(self.n))
        self.dynamic_beta = nn.Parameter(torch.empty(d_model))
        self.beta_scale = nn.Parameter(torch.empty(1))

    def forward(self, x_BTnM: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Streams [B, T, n, M] → the branch's input [B, T, M], post [B, T, n], C [B, T, n, n]."""
        wide = torch.promote_types(x_BTnM.dtype, torch.float32)
        normed = weightless_rms(x_BTnM.to(wide), self.eps) * self.norm_weight.to(wide)
        alpha_BTns = self.static_alpha + self.alpha_scale * torch.tanh(normed @ self.dynamic_alpha.to(wide))
        post_BTn = self.static_beta + self.beta_scale * torch.tanh(normed @ self.dynamic_beta.to(wide))
        input_BTM = (alpha_BTns[..., :1] * x_BTnM).sum(dim=2).to(x_BTnM.dtype)
        return input_BTM, post_BTn, alpha_BTns[..., 1:]


class LowRankConnection(nn.Module):
    """Static weights: learned vectors pre and post, C = I + U Vᵀ with U, V [n, r], r = ⌈n/2⌉. Parameters: 2n + 2nr."""

    def __init__(self, d_model: int, eps: float, spec: dict):
        super().__init__()
        self.n = spec["expand"]
        rank = (self.n + 1) // 2
        self.pre = nn.Parameter(torch.empty(self.n))
        self.post = nn.Parameter(torch.empty(self.n))
        self.left = nn.Parameter(torch.empty(self.n, rank))
        self.right = nn.Parameter(torch.empty(self.n, rank))

    def forward(self, x_BTnM: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Streams [B, T, n, M] → the branch's input [B, T, M], post [n], C [n, n]."""
        input_BTM = (self.pre[:, None] * x_BTnM).sum(dim=2).to(x_BTnM.dtype)
        identity = torch.eye(self.n, dtype=self.left.dtype, device=self.left.device)
        return input_BTM, self.post, identity + self.left @ self.right.T


CONNECTIONS = {
    "birkhoff": BirkhoffConnection,
    "unconstrained": UnconstrainedConnection,
    "learned_lowrank": LowRankConnection,
}
"""`residual.hyper.mixing` → the class."""


def write_back(x_BTnM: torch.Tensor, update_BTM: torch.Tensor, post: torch.Tensor, mixing: torch.Tensor):
    """X' = post ⊗ update + Cᵀ X, [B, T, n, M], in the dtype of the streams."""
    dtype = x_BTnM.dtype
    return post.to(dtype).unsqueeze(-1) * update_BTM.unsqueeze(-2) + mixing.to(dtype).transpose(-1, -2) @ x_BTnM


class BirkhoffCollapse(nn.Module):
    """One stream of n: Σ_i (σ(s·W rms(vec X) + b)_i + EPS) X_i, DeepSeek-V4's final head. Parameters: n(nM + 1) + 1."""

    def __init__(self, d_model: int, n: int, eps: float):
        super().__init__()
        self.eps = eps
        self.fn = nn.Parameter(torch.empty(n, n * d_model))
        self.base = nn.Parameter(torch.empty(n))
        self.scale = nn.Parameter(torch.empty(1))

    def forward(self, x_BTnM: torch.Tensor) -> torch.Tensor:
        """[B, T, n, M] → [B, T, M]."""
        wide = torch.promote_types(x_BTnM.dtype, torch.float32)
        weights = nn.functional.linear(weightless_rms(x_BTnM.flatten(2).to(wide), self.eps), self.fn.to(wide))
        pre_BTn = torch.sigmoid(weights * self.scale + self.base) + EPS
        return (pre_BTn.unsqueeze(-1) * x_BTnM).sum(dim=2).to(x_BTnM.dtype)


def collapse_sum(x_BTnM: torch.Tensor) -> torch.Tensor:
    """Unconstrained hyper-connections end in the sum of their streams."""
    return x_BTnM.sum(dim=2)


def collapse_mean(x_BTnM: torch.Tensor) -> torch.Tensor:
    """Low-rank ones in the mean."""
    return x_BTnM.mean(dim=2)
