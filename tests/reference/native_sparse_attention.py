"""Native sparse attention for one sequence, token by token in fp64, from Yuan 2025, equations 5 to 12.

Blocks of compression and of selection are the same; what is pooled and what scores blocks are given as functions.
"""

import torch


def attend(query_HD: torch.Tensor, key_SHD: torch.Tensor, value_SHD: torch.Tensor, scale: float) -> torch.Tensor:
    """One query's attention to all given keys, for each head."""
    weights_HS = (torch.einsum("hd,shd->hs", query_HD, key_SHD) * scale).softmax(dim=-1)
    return torch.einsum("hs,shd->hd", weights_HS, value_SHD)


def native_sparse_attention(query, key, value, entry_key, entry_value, score, gates, block, top_k, window, scale):
    """Outputs [T, H, D] of queries, keys and values [T, H, D].

    `entry_key`, `entry_value` [n, H, D] are the pooled blocks, `score` [T, n] what the indexer gives to each, `gates`
    [T, H, 3] the weights of the compressed, the chosen and the window branch.
    """
    outputs = []
    for t in range(query.shape[0]):
        finished = (t + 1) // block
        branches = [torch.zeros_like(query[t])]
        if finished:
            branches = [attend(query[t], entry_key[:finished], entry_value[:finished], scale)]
        best = sorted(range(finished), key=lambda i: (-score[t, i].item(), i))[:top_k]
        chosen = [s for s in range(t + 1) if s // block in best or s // block == t // block]
        near = [s for s in range(t + 1) if t - s < window]
        branches += [attend(query[t], key[some], value[some], scale) for some in (chosen, near)]
        outputs.append(sum(gates[t, :, c, None] * branch for c, branch in enumerate(branches)))
    return torch.stack(outputs)


def pooled(tokens_TM, content, gate, bias, block):
    """softmax-gated pooling of the finished blocks of [T, M]: content and gate map M to W, bias is [block, W]."""
    entries = []
    for i in range(tokens_TM.shape[0] // block):
        inside = tokens_TM[i * block : (i + 1) * block]
        weights = (inside @ gate.T + bias).softmax(dim=0)
        entries.append((weights * (inside @ content.T)).sum(dim=0))
    return torch.stack(entries)
