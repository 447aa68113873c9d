"""Gated DeltaNet: linear attention that forgets by a gate and overwrites by the delta rule (Yang 2025).

Features: a causal convolution before queries, keys and values; the chunked form with the UT transform of DeltaNet (Yang
2024), and the recurrence itself for single tokens; more value heads than key heads (Qwen3-Next); a state that decoding
carries on; left padding that leaves no trace; flash-linear-attention's kernels where installed. State constants and the
recurrence stay in fp32 under every dtype.

Shape suffixes: B batch, T tokens, c chunks of Q tokens, M d_model, G key heads, H value heads, K features of a head in
queries and keys, V in values.
"""

import torch
from torch import nn
from torch.nn.functional import pad, silu, softplus
from transformers.utils.generic import maybe_autocast

from .cache import state_of
from .causal_convolution import CausalConvolution
from .normalization import RMSNorm
from .recurrent import RecurrentMixer, masked, widened
from .state_space_dual import decay_between

try:
    from fla.ops.gated_delta_rule import chunk_gated_delta_rule as delta_rule_kernel
except ImportError:
    delta_rule_kernel = None

NORM_EPS = 1e-6
"""Of the L2 norm of queries and keys."""


class GatedDeltaNet(RecurrentMixer):
    """S_t = α_t (I − β_t k_t k_tᵀ) S_{t−1} + β_t k_t v_tᵀ and o_t = S_tᵀ q_t / √K in each head;
    out = W_o (norm(o) ⊙ SiLU(W_z x)).

    [q, k, v] = SiLU(conv(W_qkv x)), q and k of length 1; β = σ(W_b x); α = exp(−A · softplus(W_a x + b)); the norm is
    an RMSNorm over each head's values with one weight for all heads.

    | symbol | key or tensor | |
    |---|---|---|
    | G, K | `n_heads`, `d_key` | heads of queries and keys, their width |
    | H, V | `n_value_heads`, `d_value` | heads of values, their width; H / G following ones share a key |
    | W | `d_conv` | width of the convolution |
    | Q | `chunk_size` | tokens at a time: a matter of speed |
    | A, b | `A_log`, `dt_bias` | A = exp(A_log); a number a value head each |

    Parameters: M·(2·G·K + 3·H·V + 2·H) + (2·G·K + H·V)·W + 2·H + V. State: H·K·V in fp32 and (2·G·K + H·V)·(W − 1).
    Source: Yang 2025; tensor names of transformers' qwen3_5.
    """

    def __init__(self, config, block: dict, layer_idx: int):
        super().__init__()
        spec, d_model = block["mixer"]["gated_deltanet"], block["d_model"]
        n_heads, self.d_key, self.d_value = spec["n_value_heads"], spec["d_key"], spec["d_value"]
        self.shared_by = n_heads // spec["n_heads"]
        self.chunk_size = spec["chunk_size"]
        key_width, value_width = spec["n_heads"] * self.d_key, n_heads * self.d_value
        self.sizes = [key_width, key_width, value_width]
        self.in_proj_qkv = nn.Linear(d_model, sum(self.sizes), bias=False)
        self.in_proj_z = nn.Linear(d_model, value_width, bias=False)
        self.in_proj_b = nn.Linear(d_model, n_heads, bias=False)
        self.in_proj_a = nn.Linear(d_model, n_heads, bias=False)
        self.conv1d = CausalConvolution(sum(self.sizes), spec["d_conv"], bias=False)
        self.dt_bias = nn.Parameter(torch.empty(n_heads))
        self.A_log = nn.Parameter(torch.empty(n_heads))
        self.norm = RMSNorm(self.d_value, block["norm"]["eps"])
        self.out_proj = nn.Linear(value_width, d_model, bias=False)

    def forward(
        self,
        hidden_states: torch.Tensor,
        token_mask: torch.Tensor | None = None,
        past_key_values=None,
        cache_index: int | None = None,
        **kwargs,
    ) -> tuple[torch.Tensor, None]:
        """Mix `hidden_states` [B, T, M] over the sequence; `token_mask` [B, T] is 0 for padding.

        A padded token must neither enter the convolution nor move the state: its input to the convolution is zero, so
        that its key is, and its α is 1.
        """
        state = state_of(past_key_values, cache_index)
        conv, before = (None, None) if state is None else (state.get("conv"), state.get("memory"))
        qkv, conv = self.conv1d(masked(self.in_proj_qkv(hidden_states), token_mask), conv)
        query_BTGK, key_BTGK, value_BTHV = self._heads(silu(qkv))
        beta_BTH = self.in_proj_b(hidden_states).sigmoid()
        step_BTH, A_log_H, bias_H = widened(self.in_proj_a(hidden_states), self.A_log, self.dt_bias)
        log_decay_BTH = masked(-A_log_H.exp() * softplus(step_BTH + bias_H), token_mask)
        tensors = (query_BTGK, key_BTGK, value_BTHV, log_decay_BTH, beta_BTH)
        mixed_BTHV, after = gated_delta_rule(*tensors, self.chunk_size, before)
        if state is not None:
            state.advance(hidden_states.shape[1], conv=conv, memory=after)
        (gate,) = widened(self.in_proj_z(hidden_states))
        gated = self.norm(mixed_BTHV).flatten(2) * silu(gate)
        return self.out_proj(gated.to(hidden_states.dtype)), None

    def _heads(self, qkv: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Queries and keys [B, T, G, K] and values [B, T, H, V]."""
        query, key, value = qkv.split(self.sizes, dim=-1)
        split = (query.unflatten(-1, (-1, self.d_key)), key.unflatten(-1, (-1, self.d_key)))
        return *split, value.unflatten(-1, (-1, self.d_value))


def gated_delta_rule(
    query_BTGK: torch.Tensor,
    key_BTGK: torch.Tensor,
    value_BTHV: torch.Tensor,
    log_decay_BTH: torch.Tensor,
    beta_BTH: torch.Tensor,
    chunk_size: int,
    state_BHKV: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """o [B, T, H, V] in the dtype of the values, and the state after the last token [B, H, K, V] in fp32 at least.

    Queries and keys are normalised and scaled here. `state_BHKV` (None: zeros) is the state before the first token. The
    result does not depend on `chunk_size`.
    """
    if delta_rule_kernel is not None and kernel_runs_on(value_BTHV):
        return delta_rule_kernel(
            query_BTGK, key_BTGK, value_BTHV, g=log_decay_BTH, beta=beta_BTH, initial_state=state_BHKV,
            output_final_state=True, use_qk_l2norm_in_kernel=True,
        )  # fmt: skip
    dtype, shared_by = value_BTHV.dtype, value_BTHV.shape[2] // key_BTGK.shape[2]
    query, key, value, log_decay, beta = widened(query_BTGK, key_BTGK, value_BTHV, log_decay_BTH, beta_BTH)
    query, key = (unit(x).repeat_interleave(shared_by, dim=2) for x in (query, key))
    query = query * query.shape[-1] ** -0.5
    if state_BHKV is None:
        batch, _, n_heads, d_key = key.shape
        state_BHKV = value.new_zeros(batch, n_heads, d_key, value.shape[-1])
    with maybe_autocast(value.device.type, enabled=False):
        if value.shape[1] == 1:
            output, state_BHKV = _step(query, key, value, log_decay, beta, state_BHKV)
        else:
            output, state_BHKV = _chunks(query, key, value, log_decay, beta, chunk_size, state_BHKV)
    return output.to(dtype), state_BHKV


def kernel_runs_on(tensor: torch.Tensor) -> bool:
    """Whether flash-linear-attention takes this tensor: 16 bits wide, on a GPU."""
    return tensor.is_cuda and tensor.element_size() == 2


def _step(query_B1HK, key_B1HK, value_B1HV, log_decay_B1H, beta_B1H, state_BHKV) -> tuple[torch.Tensor, torch.Tensor]:
    """The recurrence, one token on: what the state holds under the key is replaced, as far as β says, by the value."""
    query_BH1K, key_BH1K, value_BH1V = (x.transpose(1, 2) for x in (query_B1HK, key_B1HK, value_B1HV))
    kept_BH11, beta_BH11 = (x.transpose(1, 2).unsqueeze(-1) for x in (log_decay_B1H.exp(), beta_B1H))
    state_BHKV = state_BHKV * kept_BH11
    new_BH1V = (value_BH1V - key_BH1K @ state_BHKV) * beta_BH11
    state_BHKV = state_BHKV + key_BH1K.mT @ new_BH1V
    return (query_BH1K @ state_BHKV).transpose(1, 2), state_BHKV


def _chunks(query, key, value, log_decay, beta, chunk_size: int, state_BHKV) -> tuple[torch.Tensor, torch.Tensor]:
    """The same for any number of tokens, as matrix products.

    Inside a chunk each new value depends on those before it, v'_i = β_i (v_i − Σ_{j<i} decay_ij k_i·k_j v'_j − …S): a
    triangular system, solved at once for what does not depend on the state S before the chunk and for what S is
    multiplied with. Between chunks only the state is carried on.
    """
    n_tokens = value.shape[1]
    size = min(chunk_size, n_tokens)
    missing = -n_tokens % size

    def chunked(tensor: torch.Tensor) -> torch.Tensor:
        """[B, T, H, …] → [B, c, H, Q, …], zeros at the end."""
        return pad(tensor, (0, 0) * (tensor.dim() - 2) + (0, missing)).unflatten(1, (-1, size)).transpose(2, 3)

    query_BcHQK, key_BcHQK, value_BcHQV = chunked(query), chunked(key), chunked(value)
    log_decay_BcHQ, beta_BcHQ1 = chunked(log_decay), chunked(beta).unsqueeze(-1)
    decay_BcHQQ = decay_between(log_decay_BcHQ)
    from_start_BcHQ1 = log_decay_BcHQ.cumsum(-1).exp().unsqueeze(-1)
    to_end_BcHQ1 = decay_BcHQQ[..., -1, :].unsqueeze(-1)

    key_beta_BcHQK = key_BcHQK * beta_BcHQ1
    system_BcHQQ = key_beta_BcHQK @ key_BcHQK.mT * decay_BcHQQ
    right = torch.cat([value_BcHQV * beta_BcHQ1, key_beta_BcHQK * from_start_BcHQ1], dim=-1)
    solved = torch.linalg.solve_triangular(system_BcHQQ, right, upper=False, unitriangular=True)
    new_BcHQV, read_BcHQK = solved.split([value.shape[-1], key.shape[-1]], dim=-1)
    kept_BcH11, written_BcHKQ = from_start_BcHQ1[..., -1:, :], (key_BcHQK * to_end_BcHQ1).mT
    states, news = [], []
    per_chunk = zip(*(x.unbind(1) for x in (new_BcHQV, read_BcHQK, kept_BcH11, written_BcHKQ)), strict=True)
    for new_BHQV, read_BHQK, kept_BH11, written_BHKQ in per_chunk:
        states.append(state_BHKV)
        news.append(new_BHQV - read_BHQK @ state_BHKV)
        state_BHKV = torch.addcmul(written_BHKQ @ news[-1], kept_BH11, state_BHKV)
    within_BcHQV = (query_BcHQK @ key_BcHQK.mT * decay_BcHQQ) @ torch.stack(news, dim=1)
    output_BcHQV = within_BcHQV + query_BcHQK * from_start_BcHQ1 @ torch.stack(states, dim=1)
    return output_BcHQV.transpose(2, 3).flatten(1, 2)[:, :n_tokens], state_BHKV


def unit(x: torch.Tensor) -> torch.Tensor:
    """`x` over its length along the last dimension."""
    return x * torch.rsqrt(x.square().sum(-1, keepdim=True) + NORM_EPS)
