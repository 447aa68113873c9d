"""Multi-scale retention, the mixer of RetNet (Sun 2023).

Features: the parallel, chunkwise and recurrent forms, which compute the same; a decay of its own for every head;
rotation of queries and keys by position (xPos without its scale), or none; values wider than keys; a norm over each
head and a SiLU gate; left padding that leaves no trace; flash-linear-attention's kernel where installed. The recurrence
stays in fp32 under every dtype.

Shape suffixes: B batch, T tokens, M d_model, H heads, N = B · H, K features of a head in queries and keys, V in values,
Q tokens of a chunk.
"""

import torch
from torch import nn
from torch.nn.functional import silu
from transformers.utils.generic import maybe_autocast

from .cache import state_of
from .normalization import RMSNorm
from .recurrent import RecurrentMixer, masked, widened

try:
    from fla.ops.retention import chunk_retention as retention_kernel
except ImportError:
    retention_kernel = None


class Retention(RecurrentMixer):
    """S_t = γ S_{t−1} + k_tᵀ v_t and o_t = q_t S_t in each head; out = W_o (SiLU(W_g x) ⊙ norm(o)).

    q_t = R_t W_q x_t, k_t = R_t W_k x_t / √K, v_t = W_v x_t; R_t turns the i-th pair of neighbouring features by
    t · 10000^(−i / (K/2 − 1)); the norm is each head's own RMSNorm, without weights.

    | symbol | key | |
    |---|---|---|
    | H | `n_heads` | heads; K = M / H |
    | V | `v_expand` | width of a head's values, v_expand · K |
    | γ | | 1 − 2^(−5−h) for head h = 0, 1, … |
    | R | `rope` | rotation; without it queries and keys stay as they are |
    | Q | `chunk_size` | tokens at a time with `chunkwise`, else all at once: a matter of speed |

    Parameters: (2 + 3·v_expand)·M². State: v_expand·M²/H numbers in fp32. Source: Sun 2023.
    """

    def __init__(self, config, block: dict, layer_idx: int):
        super().__init__()
        spec, d_model = block["mixer"]["retnet"], block["d_model"]
        value_width = spec["v_expand"] * d_model
        self.n_heads, self.rotates = spec["n_heads"], spec["rope"]
        self.chunk_size = spec["chunk_size"] if spec["chunkwise"] else None
        self.q_proj = nn.Linear(d_model, d_model, bias=False)
        self.k_proj = nn.Linear(d_model, d_model, bias=False)
        self.v_proj = nn.Linear(d_model, value_width, bias=False)
        self.g_proj = nn.Linear(d_model, value_width, bias=False)
        self.o_proj = nn.Linear(value_width, d_model, bias=False)
        self.head_norm = RMSNorm(value_width // self.n_heads, block["norm"]["eps"], affine=False)

    def forward(
        self,
        hidden_states: torch.Tensor,
        position_ids: torch.Tensor,
        token_mask: torch.Tensor | None = None,
        past_key_values=None,
        cache_index: int | None = None,
        **kwargs,
    ) -> tuple[torch.Tensor, None]:
        """Mix `hidden_states` [B, T, M] over the sequence; `token_mask` [B, T] is 0 for padding."""
        projections = (self.q_proj, self.k_proj, self.v_proj)
        heads = (projection(hidden_states).unflatten(-1, (self.n_heads, -1)) for projection in projections)
        query_BTHK, key_BTHK, value_BTHV = widened(*heads)
        key_BTHK = key_BTHK * key_BTHK.shape[-1] ** -0.5
        if self.rotates:
            query_BTHK, key_BTHK = turn_pairs(position_ids, query_BTHK, key_BTHK)
        state = state_of(past_key_values, cache_index)
        before = None if state is None else state.get("retention")
        value_BTHV = masked(value_BTHV, token_mask)
        with maybe_autocast(hidden_states.device.type, enabled=False):
            if retention_kernel is not None and kernel_runs_on(hidden_states, self.n_heads):
                narrow = (tensor.to(hidden_states.dtype) for tensor in (query_BTHK, key_BTHK, value_BTHV))
                mixed_BTHV, after = retention_kernel(
                    *narrow, scale=1.0, initial_state=before, output_final_state=True
                )  # fmt: skip
            else:
                mixed_BTHV, after = retain(query_BTHK, key_BTHK, value_BTHV, self.chunk_size, before)
        if state is not None:
            state.advance(hidden_states.shape[1], retention=after)
        mixed = self.head_norm(mixed_BTHV).flatten(2).to(hidden_states.dtype)
        return self.o_proj(silu(self.g_proj(hidden_states)) * mixed), None


def kernel_runs_on(hidden_states: torch.Tensor, n_heads: int) -> bool:
    """Whether flash-linear-attention takes it: 16 bits wide, on a GPU, and as many tokens as heads (else it warns)."""
    return hidden_states.is_cuda and hidden_states.element_size() == 2 and hidden_states.shape[1] >= n_heads


def turn_pairs(position_ids: torch.Tensor, *tensors: torch.Tensor) -> list[torch.Tensor]:
    """Each of the tensors [B, T, H, K] with its neighbouring features turned by the positions [B, T]."""
    pairs, wide, device = tensors[0].shape[-1] // 2, tensors[0].dtype, tensors[0].device
    frequency = 10000.0 ** -torch.linspace(0, 1, pairs, dtype=wide, device=device)
    angle = position_ids.to(device, wide)[..., None, None] * frequency
    cos, sin = angle.cos(), angle.sin()
    turned = []
    for tensor in tensors:
        first, second = tensor.unflatten(-1, (pairs, 2)).unbind(-1)
        pair = (first * cos - second * sin, second * cos + first * sin)
        turned.append(torch.stack(pair, dim=-1).flatten(-2))
    return turned


def retain(
    query_BTHK: torch.Tensor,
    key_BTHK: torch.Tensor,
    value_BTHV: torch.Tensor,
    chunk_size: int | None = None,
    state_BHKV: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """o [B, T, H, V] and the state after the last token [B, H, K, V], from `state_BHKV` (None: zeros) before the first.

    Chunk by chunk: inside one, scores Q Kᵀ times the decay between two tokens; what came before it is in the state.
    One chunk over everything (`chunk_size` None) is the parallel form, chunks of one token are the recurrent one.
    """
    n_tokens, n_heads = query_BTHK.shape[1:3]
    size = min(chunk_size or n_tokens, n_tokens)
    step_Q = torch.arange(size + 1, dtype=query_BTHK.dtype, device=query_BTHK.device)
    kept_HQ1 = torch.exp(step_Q * log_decay(n_heads, step_Q)[:, None])[..., None]
    distance_QQ = (step_Q[:size, None] - step_Q[:size]).long()
    within_HQQ = kept_HQ1[:, distance_QQ.abs(), 0] * (distance_QQ >= 0)
    kept_NQ1 = kept_HQ1.repeat(query_BTHK.shape[0], 1, 1)
    state_NKV = None if state_BHKV is None else state_BHKV.flatten(0, 1)
    chunks = (x_BTHD.transpose(1, 2).flatten(0, 1).split(size, dim=1) for x_BTHD in (query_BTHK, key_BTHK, value_BTHV))
    outputs = []
    for query_NQK, key_NQK, value_NQV in zip(*chunks, strict=True):
        last = query_NQK.shape[1]
        scores_BHQQ = torch.bmm(query_NQK, key_NQK.mT).unflatten(0, (-1, n_heads)) * within_HQQ[:, :last, :last]
        output_NQV = torch.bmm(scores_BHQQ.flatten(0, 1), value_NQV)
        to_end_NKQ = (key_NQK * kept_NQ1[:, :last].flip(1)).mT
        if state_NKV is None:
            state_NKV = torch.bmm(to_end_NKQ, value_NQV)
        else:
            output_NQV = torch.baddbmm(output_NQV, query_NQK * kept_NQ1[:, 1 : last + 1], state_NKV)
            state_NKV = torch.baddbmm(state_NKV * kept_NQ1[:, last, None], to_end_NKQ, value_NQV)
        outputs.append(output_NQV)
    output_BHTV, state_BHKV = (x.unflatten(0, (-1, n_heads)) for x in (torch.cat(outputs, dim=1), state_NKV))
    return output_BHTV.transpose(1, 2), state_BHKV


def log_decay(n_heads: int, like: torch.Tensor) -> torch.Tensor:
    """log γ [H], exact where γ itself would round to 1; in the dtype and on the device of `like`."""
    head_H = torch.arange(n_heads, dtype=like.dtype, device=like.device)
    return torch.log1p(-torch.exp2(-5 - head_H))
