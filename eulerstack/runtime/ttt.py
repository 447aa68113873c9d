"""Test-time training layers (Sun 2024): the state is a model, trained on every token.

Features: TTT-Linear and TTT-MLP; mini-batches in the dual form; a learned rate a token; any number of inner steps; SGD
or AdamW inside; a state that decoding carries on from any place of a mini-batch; mini-batches that begin at each row's
own first token, so that left padding leaves no trace. The inner loop runs in fp32 at least.

Shape suffixes: B batch, T tokens, L tokens of a segment, M d_model, H heads, D head width, I and O a matrix's inputs
and outputs.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn
from transformers.utils.generic import maybe_autocast

from .cache import StateLayer, state_of
from .chunk_rows import ChunkRows, Segment, choose
from .inner_model import Carry, DualWeights, InnerModel, PrimalWeights, TokenWeights, Write, add, scan
from .normalization import LayerNorm

BETAS = (0.9, 0.999)
WEIGHT_DECAY = 0.01
ADAM_EPS = 1e-4
"""Inside the root, and larger than an outer optimizer's: a gradient passes through this division."""


class TttLayer(nn.Module):
    """q, k, v = W_q x, W_k x, W_v x, a head each; ℓ(W) = ½‖f(k; W) − (v − k)‖²; o = W_o LN(concat_h(q + f(q; W_t))).

    Token i of a chunk (i from 0) reads with W_i = W₀ − e_i Σ_{j≤i} η_j ∇ℓ_j(W₀), W₀ the weights before the chunk;
    e_i = max(1/(i+1) + `learnable_token_idx`_i, 0), η_j = `inner_lr` · σ(w·x_j + b) / D. The last W_i is the next W₀.
    q and k are rotated by i where the model's positions are rotary.

    | symbol | key or tensor | |
    |---|---|---|
    | f | `inner_model` | LN(x W1 + b1), or LN(gelu(x W1 + b1) W2 + b2) of width `hidden`; the first W₀ is learned |
    | chunk | `chunk_size` | tokens whose gradients are taken at the same weights |
    | n | `inner_steps_per_token` | step s takes the gradient of each token at the weights it had after step s − 1 |
    | | `inner_optimizer` | adamw: W_i is W₀ after n steps of AdamW on e_i Σ_{j≤i} σ_j ∇ℓ_j, with rate `inner_lr` |

    Parameters: 4·M² + |W| + M·(H + 4) + H + chunk, with |W| = M·(D + 1) for linear, M·(2·hidden + 1) + H·hidden for
    mlp. State: (1 + n)·|W| in fp32, (3 + n)·|W| for adamw: W₀, its moments, and the sum of each step's gradients in an
    unfinished chunk. The tensor names are those of the released code.
    """

    is_recurrent = True

    def __init__(self, config, block: dict, layer_idx: int):
        super().__init__()
        spec, d_model, self.eps = block["mixer"]["ttt"], block["d_model"], block["norm"]["eps"]
        heads, width = spec["n_heads"], d_model // spec["n_heads"]
        self.n_heads, self.width, self.chunk_size = heads, width, spec["chunk_size"]
        self.rate, self.steps = spec["inner_lr"], spec["inner_steps_per_token"]
        self.adam = spec["inner_optimizer"] == "adamw"
        self.theta = config.embedding["rope_theta"] if config.embedding["positional"] == "rope" else None
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(d_model, d_model, bias=False) for _ in range(4))
        hidden = spec["inner_model"]["hidden"]
        self.depth = 1 if hidden is None else 2
        self.W1 = nn.Parameter(torch.empty(heads, width, hidden or width))
        self.b1 = nn.Parameter(torch.empty(heads, 1, hidden or width))
        if hidden is not None:
            self.W2 = nn.Parameter(torch.empty(heads, hidden, width))
            self.b2 = nn.Parameter(torch.empty(heads, 1, width))
        self.learnable_ttt_lr_weight = nn.Parameter(torch.empty(heads, 1, d_model))
        self.learnable_ttt_lr_bias = nn.Parameter(torch.empty(heads, 1))
        self.learnable_token_idx = nn.Parameter(torch.empty(self.chunk_size))
        self.ttt_norm_weight = nn.Parameter(torch.empty(heads, width))
        self.ttt_norm_bias = nn.Parameter(torch.empty(heads, width))
        self.post_norm = LayerNorm(d_model, self.eps)

    def state_layers(self) -> list[StateLayer]:
        """One layer, in fp32: see the class, and `position` where rows differ."""
        return [StateLayer()]

    def mask_kinds(self, cache_index: int) -> dict:
        """None: it reads no attention mask."""
        return {}

    def rope_requests(self) -> list:
        """None: it rotates by the place in a chunk, on its own."""
        return []

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
        stored = None if state is None else state.get("position")
        seen = 0 if state is None else state.seen
        rows = ChunkRows(self.chunk_size, hidden_states, token_mask, seen if stored is None else stored)
        projected = (projection(hidden_states) for projection in (self.q_proj, self.k_proj, self.v_proj))
        rate_BTH = hidden_states @ self.learnable_ttt_lr_weight.squeeze(1).T + self.learnable_ttt_lr_bias.squeeze(1)
        wide = torch.promote_types(hidden_states.dtype, torch.float32)
        with maybe_autocast(hidden_states.device.type, enabled=False):
            q, k, v = (rows.lay_out(x.to(wide)).unflatten(-1, (self.n_heads, -1)).transpose(1, 2) for x in projected)
            if self.theta is not None:
                q, k = (rotate_neighbours(x, rows.places, self.theta) for x in (q, k))
            rate_BHG = rows.lay_out(torch.sigmoid(rate_BTH.to(wide))).transpose(1, 2)
            chunks = Chunks(self, wide, rate_BHG.shape[0])
            carry = chunks.start() if state is None or not state.tensors else chunks.load(state)
            segments, copies = list(rows.segments()), self.chunk_size if self.adam else 1
            carry, mixed_BHGD = scan(chunks.step, carry, segments, (q, k, v, rate_BHG), dim=2, copies=copies)
            mixed = rows.pick_up(mixed_BHGD.transpose(1, 2).flatten(2))
        if state is not None:
            position = rows.after if isinstance(rows.after, torch.Tensor) else None
            state.advance(hidden_states.shape[1], **chunks.name(carry, position))
        return self.o_proj(self.post_norm(mixed.to(hidden_states.dtype))), None


class Parts(NamedTuple):
    """A carry by its parts, each a list over the model's matrices [B, H, I, O], biases as their last rows.

    `start`: before the chunk; `first`, `second`: AdamW's moments (empty for SGD); `sums`: for each step the gradients
    of the chunk's tokens so far.
    """

    start: Sequence[torch.Tensor]
    first: Sequence[torch.Tensor]
    second: Sequence[torch.Tensor]
    sums: Sequence[Sequence[torch.Tensor]]


class Chunks:
    """The inner loop of one forward pass of a layer."""

    def __init__(self, layer: TttLayer, wide: torch.dtype, batch: int):
        self.depth, self.n, self.adam, self.rate = layer.depth, layer.steps, layer.adam, layer.rate
        self.batch, self.to_rate = batch, 1.0 if layer.adam else layer.rate / layer.width
        pairs = [(layer.W1, layer.b1), (layer.W2, layer.b2)] if layer.depth == 2 else [(layer.W1, layer.b1)]
        self.learned = [torch.cat(pair, dim=1).to(wide) for pair in pairs]
        norm = (layer.ttt_norm_weight.unsqueeze(1).to(wide), layer.ttt_norm_bias.unsqueeze(1).to(wide))
        self.model = InnerModel(True, *norm, layer.eps)
        places = torch.arange(1, layer.chunk_size + 1, device=layer.W1.device, dtype=wide)
        self.scale = torch.clamp(1 / places + layer.learnable_token_idx.to(wide), min=0)

    def start(self) -> Carry:
        """Before the first token."""
        begin = [matrix.expand(self.batch, *matrix.shape) for matrix in self.learned]
        zeros = [torch.zeros_like(matrix) for matrix in begin]
        return (*begin, *zeros * ((2 if self.adam else 0) + self.n))

    def load(self, state: StateLayer) -> Carry:
        """As an earlier call left it."""
        return tuple(state.tensors[f"part_{index}"] for index in range(self.depth * ((3 if self.adam else 1) + self.n)))

    @staticmethod
    def name(carry: Carry, position: torch.Tensor | None) -> dict[str, torch.Tensor]:
        """For the state."""
        named = {f"part_{index}": part for index, part in enumerate(carry)}
        return named if position is None else {**named, "position": position}

    def parts(self, carry: Carry) -> Parts:
        """The carry, taken apart."""
        groups = [carry[index : index + self.depth] for index in range(0, len(carry), self.depth)]
        if self.adam:
            return Parts(groups[0], groups[1], groups[2], groups[3:])
        return Parts(groups[0], (), (), groups[1:])

    def step(self, carry: Carry, segment: Segment, q, k, v, rate_BHL) -> tuple[Carry, torch.Tensor]:
        """Train on the tokens of a segment, read with each token's weights [B, H, L, D]; the new carry."""
        rate_BHL = rate_BHL * self.to_rate
        scale_BHL1 = self.scale[segment.places].unsqueeze(1).unsqueeze(-1)
        tokens = (AdamTokens if self.adam else SgdTokens)(self, self.parts(carry), segment, rate_BHL, scale_BHL1)
        layers = tokens.layers()
        for _ in range(self.n):
            tokens.write(self.model.gradients(layers, k, v - k))
            layers = tokens.layers()
        return tokens.carry(), q + self.model.read(layers, q)


class SgdTokens:
    """The weights of a segment's tokens under SGD, in the dual form."""

    def __init__(self, chunks: Chunks, parts: Parts, segment: Segment, rate_BHL, scale_BHL1):
        self.parts, self.segment, self.rate, self.scale = parts, segment, rate_BHL, scale_BHL1
        self.coefficient = torch.tril(scale_BHL1 * rate_BHL.unsqueeze(-2))
        self.written: list[list[tuple[torch.Tensor, torch.Tensor]]] = []

    def layers(self) -> list[TokenWeights]:
        """After the steps written so far."""
        return [self._layer(index, start) for index, start in enumerate(self.parts.start)]

    def _layer(self, index: int, start: torch.Tensor) -> DualWeights:
        if not self.written:
            return DualWeights([(None, start)])
        writes = [Write(self.coefficient, *pairs[index]) for pairs in self.written]
        if self.segment.begins:
            return DualWeights([(None, start)], writes)
        before = add(sums[index] for sums in self.parts.sums[: len(self.written)])
        return DualWeights([(None, start), (-self.scale, before)], writes)

    def write(self, pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Take one step on these gradients."""
        self.written.append(pairs)

    def carry(self) -> Carry:
        """After the segment."""
        rate = self.rate.unsqueeze(-1)
        sums = [
            [before + (rate * x).transpose(-1, -2) @ g for before, (x, g) in zip(sums, pairs, strict=True)]
            for sums, pairs in zip(self.parts.sums, self.written, strict=True)
        ]
        ends, last = self.segment.ends, self.scale[:, :, -1:]
        if ends is False:
            return (*self.parts.start, *(matrix for step in sums for matrix in step))
        stepped = [w - last * add(s) for w, *s in zip(self.parts.start, *sums, strict=True)]
        start = [choose(ends, new, old) for new, old in zip(stepped, self.parts.start, strict=True)]
        rest = [choose(ends, torch.zeros_like(matrix), matrix) for step in sums for matrix in step]
        return (*start, *rest)


class AdamTokens:
    """The weights of a segment's tokens under AdamW: formed, since its steps are no sums of outer products."""

    def __init__(self, chunks: Chunks, parts: Parts, segment: Segment, rate_BHL, scale_BHL1):
        self.parts, self.segment, self.rate = parts, segment, rate_BHL
        self.scale, self.inner_lr = scale_BHL1.unsqueeze(-1), chunks.rate
        chunk = segment.chunk
        taken = chunk * chunks.n
        self.taken = taken if isinstance(taken, int) else taken.to(rate_BHL.dtype).view(-1, 1, 1, 1, 1)
        self.sums: list[list[torch.Tensor]] = []
        self.now = [[matrix.unsqueeze(2) for matrix in group] for group in (parts.start, parts.first, parts.second)]

    def layers(self) -> list[TokenWeights]:
        """After the steps written so far."""
        if not self.sums:
            return [DualWeights([(None, start)]) for start in self.parts.start]
        return [PrimalWeights(matrix) for matrix in self.now[0]]

    def write(self, pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Take one step on these gradients."""
        step = len(self.sums)
        rate = self.rate.unsqueeze(-1)
        sums = [
            before.unsqueeze(2) + ((rate * x).unsqueeze(-1) * g.unsqueeze(-2)).cumsum(dim=2)
            for before, (x, g) in zip(self.parts.sums[step], pairs, strict=True)
        ]
        self.sums.append([each[:, :, -1] for each in sums])
        moved = [
            adamw(weight, first, second, self.scale * gradient, self.taken + step + 1, self.inner_lr)
            for weight, first, second, gradient in zip(*self.now, sums, strict=True)
        ]
        self.now = [list(group) for group in zip(*moved, strict=True)]

    def carry(self) -> Carry:
        """After the segment."""
        ends = self.segment.ends
        before = (self.parts.start, self.parts.first, self.parts.second)
        kept = [
            choose(ends, new[:, :, -1], old)
            for now, group in zip(self.now, before, strict=True)
            for new, old in zip(now, group, strict=True)
        ]
        rest = [choose(ends, torch.zeros_like(matrix), matrix) for step in self.sums for matrix in step]
        return (*kept, *rest)


def adamw(
    weight: torch.Tensor,
    first: torch.Tensor,
    second: torch.Tensor,
    gradient: torch.Tensor,
    step: int | torch.Tensor,
    rate: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Step number `step` (from 1) of AdamW (Loshchilov & Hutter 2019): the weights and both moments after it."""
    first = torch.lerp(gradient, first.expand_as(gradient), BETAS[0])
    second = torch.lerp(gradient.square(), second.expand_as(gradient), BETAS[1])
    unbiased = first / (1 - BETAS[0] ** step)
    size = torch.sqrt(second / (1 - BETAS[1] ** step) + ADAM_EPS**2)
    return weight * (1 - rate * WEIGHT_DECAY) - rate * unbiased / size, first, second


def rotate_neighbours(x_BHGD: torch.Tensor, places: torch.Tensor, theta: float) -> torch.Tensor:
    """Turn features (2i, 2i + 1) of a token at place p by p · θ^(−2i/D); `places` [1 or B, G]."""
    width = x_BHGD.shape[-1]
    exponent = torch.arange(0, width, 2, device=x_BHGD.device, dtype=x_BHGD.dtype) / width
    angles = places[:, None, :, None].to(x_BHGD.dtype) * theta**-exponent
    cos, sin = angles.cos(), angles.sin()
    even, odd = x_BHGD.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1).flatten(-2)
