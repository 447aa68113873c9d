"""Selective state spaces: Mamba-1 (Gu & Dao 2023) and Mamba-2 (Dao & Gu 2024).

Features: both variants, with a state that decoding carries on; RMSNorm of Δ, B and C (Jamba); groups of heads that
share B and C; bounds of Δ; a gated norm, or none, and fixed multipliers (Falcon-H1); left padding that leaves no trace;
mamba_ssm's kernels where installed. State constants (A, D, Mamba-2's Δ bias) and the recurrence stay in fp32 under
every dtype.

Shape suffixes: B batch, T tokens, M d_model, I inner channels, R rank of Δ, H heads, P head_dim, G groups, N state
size.
"""

from abc import ABC, abstractmethod

import torch
from torch import nn
from torch.nn.functional import linear, silu, softplus
from transformers.utils.generic import maybe_autocast

from .cache import state_of
from .causal_convolution import CausalConvolution
from .feed_forward import ACTIVATIONS
from .normalization import RMSNorm
from .recurrent import RecurrentMixer, masked, widened
from .selective_scan import selective_scan
from .state_space_dual import state_space_dual


class SelectiveStateSpace(RecurrentMixer, ABC):
    """What both variants share: their sizes, a short convolution, a state and how padding is kept out.

    The state is `conv`, the last inputs of the convolution, and `ssm`, that of the recurrence, in fp32. A padded token
    must neither enter the convolution nor move the state: its input to the convolution is zero and its Δ is 0.
    """

    def __init__(self, block: dict, projected: int, convolved: int):
        super().__init__()
        spec, d_model = block["mixer"]["mamba"], block["d_model"]
        inner = inner_width(block)
        self.in_proj = nn.Linear(d_model, projected, bias=spec["in_bias"])
        self.conv1d = CausalConvolution(convolved, spec["d_conv"], spec["conv_bias"])
        self.activation = ACTIVATIONS[spec["activation"]]
        self.out_proj = nn.Linear(inner, d_model, bias=spec["out_bias"])

    def forward(
        self,
        hidden_states: torch.Tensor,
        token_mask: torch.Tensor | None = None,
        past_key_values=None,
        cache_index: int | None = None,
        **kwargs,
    ) -> tuple[torch.Tensor, None]:
        """Mix `hidden_states` [B, T, M] over the sequence; `token_mask` [B, T] is 0 for padding."""
        state = state_of(past_key_values, cache_index)
        conv, ssm = (None, None) if state is None else (state.get("conv"), state.get("ssm"))
        mixed, conv, ssm = self.mix(self.in_proj(hidden_states), token_mask, conv, ssm)
        if state is not None:
            state.advance(hidden_states.shape[1], conv=conv, ssm=ssm)
        return self.out_proj(mixed), None

    @abstractmethod
    def mix(self, projected, token_mask, conv, ssm) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What goes to `out_proj` [B, T, I], and the two tensors of the state after the last token."""

    def convolve(self, x: torch.Tensor, token_mask, conv) -> tuple[torch.Tensor, torch.Tensor]:
        """φ(conv(x)) of `x` [B, T, channels], padding zeroed; and the convolution's new state."""
        x, conv = self.conv1d(masked(x, token_mask), conv)
        return self.activation(x), conv


class Mamba1(SelectiveStateSpace):
    """[x, z] = W_in u; x ← φ(conv(x)); [δ, B, C] = W_x x; Δ = softplus(W_Δ δ + b);
    h_t = exp(Δ_t A) ⊙ h_{t−1} + Δ_t x_t B_tᵀ; y_t = h_t C_t + D ⊙ x_t; out = W_out (y ⊙ SiLU(z)).

    | symbol | key or tensor | |
    |---|---|---|
    | I | `expand`, `d_inner` | inner channels, expand · M unless said itself, each with a state of its own |
    | N | `d_state` | numbers of state a channel |
    | R | `dt_rank` | rank of Δ's projection |
    | φ, W | `activation`, `d_conv` | SiLU unless written; width of the convolution |
    | A, D | `A_log`, `D` | A = −exp(A_log), [I, N]; D [I] |

    `norm_dt_b_c` normalises δ, B and C (Jamba, Lieber 2024). Parameters: 3·M·I + I·(2·R + 3·N + W + 3), and R + 2·N for
    the norms. State: I·N in fp32 and I·(W − 1). Source: Gu & Dao 2023.
    """

    def __init__(self, config, block: dict, layer_idx: int):
        spec, inner = block["mixer"]["mamba"], inner_width(block)
        super().__init__(block, projected=2 * inner, convolved=inner)
        rank, d_state, eps = spec["dt_rank"], spec["d_state"], block["norm"]["eps"]
        self.sizes = [rank, d_state, d_state]
        self.x_proj = nn.Linear(inner, rank + 2 * d_state, bias=False)
        self.dt_proj = StepProjection(rank, inner)
        self.A_log = nn.Parameter(torch.empty(inner, d_state))
        self.D = nn.Parameter(torch.empty(inner))
        self.dt_layernorm, self.b_layernorm, self.c_layernorm = (
            RMSNorm(size, eps) if spec["norm_dt_b_c"] else nn.Identity() for size in self.sizes
        )

    def mix(self, projected, token_mask, conv, ssm) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """As SelectiveStateSpace.mix; the state is [B, I, N]."""
        x_BTI, gate_BTI = projected.chunk(2, dim=-1)
        x_BTI, conv = self.convolve(x_BTI, token_mask, conv)
        rank_BTR, B_BTN, C_BTN = self.x_proj(x_BTI).split(self.sizes, dim=-1)
        delta_BTI = masked(softplus(self.dt_proj(self.dt_layernorm(rank_BTR))), token_mask)
        B_BTN, C_BTN = self.b_layernorm(B_BTN), self.c_layernorm(C_BTN)
        x_BTI, B_BTN, C_BTN, gate_BTI = widened(x_BTI, B_BTN, C_BTN, gate_BTI)
        A_log_IN, D_I = (constant.to(x_BTI.dtype) for constant in (self.A_log, self.D))
        y_BTI, ssm = selective_scan(x_BTI, delta_BTI, -A_log_IN.exp(), B_BTN, C_BTN, ssm)
        y_BTI = torch.addcmul(y_BTI, x_BTI, D_I) * silu(gate_BTI)
        return y_BTI.to(projected.dtype), conv, ssm


class Mamba2(SelectiveStateSpace):
    """[z, x, B, C, δ] = W_in u; [x, B, C] ← φ(conv([x, B, C])); Δ = softplus(δ + b), a number a head;
    h_t = exp(Δ_t A) h_{t−1} + Δ_t x_t ⊗ B_t; y_t = h_t C_t + D x_t; out = W_out RMSNorm(y ⊙ SiLU(z)).

    | symbol | key or tensor | |
    |---|---|---|
    | I | `expand`, `d_inner` | inner channels, expand · M unless said itself; H · P |
    | P | `head_dim` | channels of a head, each with a state of its own |
    | N | `d_state` | numbers of state a channel |
    | G | `n_groups` | groups of heads that share B and C; the norm is over a group's channels |
    | Q | `chunk_size` | tokens that are mixed at a time: a matter of speed |
    | A, D | `A_log`, `D` | A = −exp(A_log), a number a head, as D and the bias b (`dt_bias`) |

    Δ lies between `dt_min` and `dt_max`. `gated_norm` before: RMSNorm(y) ⊙ SiLU(z); none: y ⊙ SiLU(z). `multipliers`
    are factors of the parts of W_in u (Falcon-H1, Zuo 2025). Parameters: M·(2·I + 2·G·N + H) + (I + 2·G·N)·(W + 1) +
    3·H + I + I·M. State: H·P·N in fp32 and (I + 2·G·N)·(W − 1). Source: Dao & Gu 2024.
    """

    def __init__(self, config, block: dict, layer_idx: int):
        spec, inner = block["mixer"]["mamba"], inner_width(block)
        n_heads, shared = inner // spec["head_dim"], spec["n_groups"] * spec["d_state"]
        super().__init__(block, projected=2 * inner + 2 * shared + n_heads, convolved=inner + 2 * shared)
        self.sizes = [inner, inner + 2 * shared, n_heads]
        self.convolved_sizes = [inner, shared, shared]
        self.head_dim, self.d_state, self.chunk_size = spec["head_dim"], spec["d_state"], spec["chunk_size"]
        self.dt_bias = nn.Parameter(torch.empty(n_heads))
        self.A_log = nn.Parameter(torch.empty(n_heads))
        self.D = nn.Parameter(torch.empty(n_heads))
        self.bounds = (spec["dt_min"], spec["dt_max"])
        self.norm = GatedRMSNorm(inner, spec["n_groups"], block["norm"]["eps"], spec["gated_norm"])
        self.parts = [inner, inner, shared, shared, n_heads]
        factors = spec["multipliers"]
        self.factors = factors and [factors[part] for part in ("gate", "input", "b", "c", "dt")]

    def mix(self, projected, token_mask, conv, ssm) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """As SelectiveStateSpace.mix; the state is [B, H, P, N]."""
        if self.factors:
            parts = zip(projected.split(self.parts, dim=-1), self.factors, strict=True)
            projected = torch.cat([part * factor for part, factor in parts], dim=-1)
        gate_BTI, xBC, delta_BTH = projected.split(self.sizes, dim=-1)
        xBC, conv = self.convolve(xBC, token_mask, conv)
        xBC, delta_BTH = widened(xBC, delta_BTH)
        x_BTI, B, C = xBC.split(self.convolved_sizes, dim=-1)
        x_BTHP = x_BTI.unflatten(-1, (-1, self.head_dim))
        B_BTGN, C_BTGN = (shared.unflatten(-1, (-1, self.d_state)) for shared in (B, C))
        A_log_H, D_H, bias_H = (constant.to(xBC.dtype) for constant in (self.A_log, self.D, self.dt_bias))
        delta_BTH = softplus(delta_BTH + bias_H)
        if self.bounds != (None, None):
            delta_BTH = delta_BTH.clamp(*self.bounds)
        delta_BTH = masked(delta_BTH, token_mask)
        with maybe_autocast(xBC.device.type, enabled=False):
            y_BTHP, ssm = state_space_dual(x_BTHP, delta_BTH, -A_log_H.exp(), B_BTGN, C_BTGN, self.chunk_size, ssm)
        y_BTHP = torch.addcmul(y_BTHP, x_BTHP, D_H.unsqueeze(-1))
        return self.norm(y_BTHP.flatten(2), gate_BTI).to(projected.dtype), conv, ssm


MAMBAS = {"mamba1": Mamba1, "mamba2": Mamba2}


def build_mamba(config, block: dict, layer_idx: int) -> SelectiveStateSpace:
    """The mixer of `mixer.mamba.variant`."""
    return MAMBAS[block["mixer"]["mamba"]["variant"]](config, block, layer_idx)


class StepProjection(nn.Linear):
    """W_Δ δ + b, the sum in fp32 at least: b is far larger than what it is added to."""

    def forward(self, rank_BTR: torch.Tensor) -> torch.Tensor:
        """[B, T, R] → [B, T, I]."""
        product, bias = widened(linear(rank_BTR, self.weight), self.bias)
        return product + bias


class GatedRMSNorm(nn.Module):
    """RMSNorm(y ⊙ SiLU(z)), within each group of channels, in fp32 at least; `place` before: RMSNorm(y) ⊙ SiLU(z).

    With `place` none only the gate is left, and no weight.
    """

    def __init__(self, d: int, n_groups: int, eps: float, place: str):
        super().__init__()
        self.n_groups, self.eps, self.place = n_groups, eps, place
        self.weight = nn.Parameter(torch.empty(d)) if place != "none" else None

    def forward(self, y: torch.Tensor, gate: torch.Tensor) -> torch.Tensor:
        """`y` and `gate` [..., d] → the same shape."""
        (wide,) = widened(gate)
        gate = silu(wide)
        match self.place:
            case "after":
                return self.normalise(y * gate)
            case "before":
                return self.normalise(y) * gate
        return y * gate

    def normalise(self, y: torch.Tensor) -> torch.Tensor:
        """y / √(mean(y²) + eps) · w, the mean over a group."""
        grouped = y.unflatten(-1, (self.n_groups, -1))
        normed = grouped * torch.rsqrt(grouped.square().mean(-1, keepdim=True) + self.eps)
        return self.weight * normed.flatten(-2)


def inner_width(block: dict) -> int:
    """How many channels the recurrence has."""
    spec = block["mixer"]["mamba"]
    return spec["d_inner"] or spec["expand"] * block["d_model"]
