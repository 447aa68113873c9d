"""Several mixers on one input, their outputs weighed per token.

Features: branches of any other mixer; soft weights over all of them, or over the top_k with the largest, made to sum to
1 again, or a plain sum; fixed factors around a branch (Falcon-H1); a gate that reads the mixer's input or the token's
embedding. Every branch sees every token, so that its state is whole whichever branches are chosen: a choice selects
outputs and saves no work.

Shape suffixes: B batch, T tokens, M d_model, N branches.
"""

from collections.abc import Iterator

import torch
from torch import nn
from transformers.cache_utils import CacheLayerMixin

from .differentiation import build_objectives, one_hot_sum
from .positions import RopeRequest


class Branched(nn.Module):
    """out = Σ_n w_n · branch_n(x), with w = softmax(W_s g) over all branches, or over its `top_k` largest entries.

    g is x, or the token's embedding as it entered the first layer (`selector.input`). A single chosen branch has the
    weight 1, whose gradient is that of its share of the softmax over all (straight through), so that the gate learns.
    With `selector.type` sum every w_n is 1. `factors` make it w_n · output_n · branch_n(input_n · x) (Zuo 2025).

    Parameters: those of the branches, and N·M for a gate. State: the branches' states, one after the other. In states
    and in the gate's rows branches are ordered by name. The gate is Shazeer's (2017), without noise.
    """

    def __init__(self, config, block: dict, branches: dict[str, nn.Module]):
        super().__init__()
        selector = block["mixer"]["branched"]["selector"]
        self.top_k = selector["top_k"]
        self.reads_embeddings = selector["input"] == "embedding"
        self.names = sorted(branches)
        for name in self.names:
            self.add_module(f"branch_{name}", branches[name])
        summed = selector["type"] == "sum"
        self.selector = None if summed else nn.Linear(block["d_model"], len(branches), bias=False)
        self.objectives = None if summed else build_objectives(config, block["d_model"], len(branches))
        one = {"input": 1.0, "output": 1.0}
        self.factors = [(block["mixer"]["branched"]["factors"] or {}).get(name, one) for name in self.names]

    @property
    def branches(self) -> list[nn.Module]:
        """The mixers, in the order of their names."""
        return [getattr(self, f"branch_{name}") for name in self.names]

    def state_layers(self) -> list[CacheLayerMixin]:
        """The branches', in order."""
        return [state for branch in self.branches for state in branch.state_layers()]

    def mask_kinds(self, cache_index: int) -> dict:
        """All that a branch reads."""
        return {
            kind: place for at, branch in self._placed(cache_index) for kind, place in branch.mask_kinds(at).items()
        }

    def rope_requests(self) -> list[RopeRequest]:
        """The branches', in order."""
        return [request for branch in self.branches for request in branch.rope_requests()]

    def forward(
        self,
        hidden_states: torch.Tensor,
        embeddings: torch.Tensor | None = None,
        cache_index: int = 0,
        **context,
    ) -> tuple[torch.Tensor | None, ...]:
        """Mix `hidden_states` [B, T, M]; `embeddings` [B, T, M] are what entered the first layer.

        Returns the output [B, T, M], as the fifth entry the sum of the branches' own losses, if any has one, and as the
        sixth the tally of differentiation objectives, if there are any.
        """
        results = [
            branch(scaled(hidden_states, factors["input"]), cache_index=at, **context)
            for (at, branch), factors in zip(self._placed(cache_index), self.factors, strict=True)
        ]
        tally = None
        outputs = [scaled(out[0], f["output"]) for out, f in zip(results, self.factors, strict=True)]
        if self.selector is not None:
            read_BTM = embeddings if self.reads_embeddings else hidden_states
            assert read_BTM is not None
            logits_BTN = self.selector(read_BTM.to(self.selector.weight.dtype))
            weight_BTN = self.weigh(logits_BTN).to(hidden_states.dtype)
            if self.objectives is not None:
                tally = self.objectives(
                    read_BTM, self._chosen(logits_BTN), context.get("token_mask"), logits_BTN.float().softmax(-1)
                )
            outputs = [weight * out for weight, out in zip(weight_BTN.split(1, -1), outputs, strict=True)]
        mixed = torch.stack(outputs)
        losses = [out[4] for out in results if len(out) > 4 and out[4] is not None]
        return mixed.sum(0), None, None, None, torch.stack(losses).sum() if losses else None, tally

    def _chosen(self, logits_BTN: torch.Tensor) -> torch.Tensor:
        """A 1 for each branch that a token uses; where it uses all, for the one with the largest weight."""
        return one_hot_sum(logits_BTN.topk(self.top_k or 1, dim=-1).indices, len(self.names))

    def weigh(self, logits_BTN: torch.Tensor) -> torch.Tensor:
        """The branches' weights [B, T, N] for each token, in fp32 at least."""
        share_BTN = logits_BTN.softmax(-1, dtype=torch.promote_types(logits_BTN.dtype, torch.float32))
        if self.top_k is None:
            return share_BTN
        index_BTk = share_BTN.topk(self.top_k, dim=-1).indices
        chosen_BTN = share_BTN * torch.zeros_like(share_BTN).scatter(-1, index_BTk, 1.0)
        weight_BTN = chosen_BTN / chosen_BTN.sum(-1, keepdim=True)
        return weight_BTN if self.top_k > 1 else weight_BTN + chosen_BTN - chosen_BTN.detach()

    def _placed(self, cache_index: int) -> Iterator[tuple[int, nn.Module]]:
        """Each branch with the place of its first state, the first branch's being `cache_index`."""
        for branch in self.branches:
            yield cache_index, branch
            cache_index += len(branch.state_layers())


def scaled(x: torch.Tensor, factor: float) -> torch.Tensor:
    """`x` times a factor."""
    return x if factor == 1.0 else x * factor
