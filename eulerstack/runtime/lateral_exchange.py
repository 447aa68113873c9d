"""The lateral exchange between columns: what one column of layers last made reaches its neighbours' next layer.

Shape suffixes: B batch, T tokens, n streams of a hyper-connection, M d_model, R rank.
"""

import torch
from torch import nn

RANK_SHARE = 16
"""The rank is the narrower width divided by this."""


class LateralExchange(nn.Module):
    """x ← x + λ · W_up · W_down · h: h is the source column's last output, x what enters the neighbour's next layer.

    λ is `tissue.lateral_coef`. The same token's h, from earlier in the schedule, so that it is causal and needs no
    cache. W_up starts at 0. Each output is handed to each neighbour once. Parameters: R·(M_source + M_target) for each
    directed edge and pair of widths that occurs, R = ⌊min(M_source, M_target)/16⌋, 1 at least.
    """

    def __init__(self, d_source: int, d_target: int, coefficient: float):
        super().__init__()
        rank = max(1, min(d_source, d_target) // RANK_SHARE)
        self.coefficient = coefficient
        self.down_proj = nn.Linear(d_source, rank, bias=False)
        self.up_proj = nn.Linear(rank, d_target, bias=False)

    def forward(self, hidden_states: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
        """`hidden_states` [B, T, M] or [B, T, n, M] with the source's output added; that may be n streams, too."""
        if source.dim() == 4:
            source = source.mean(dim=2)
        change_BTM = self.coefficient * self.up_proj(self.down_proj(source.to(hidden_states.device)))
        return hidden_states + (change_BTM.unsqueeze(2) if hidden_states.dim() == 4 else change_BTM)


class Tissue:
    """Walks the layers in the order in which they run, and tells what each one receives.

    `spec` is `config.lateral`: `columns` (lists of blocks), `edges` (pairs of columns, directed), `exchanges` (source
    and target column, and their widths, for each module); None: nobody receives anything.
    """

    def __init__(self, spec: dict | None):
        spec = spec or {"columns": [], "edges": [], "exchanges": []}
        self._column = {block: index for index, blocks in enumerate(spec["columns"]) for block in blocks}
        self._edges = [tuple(edge) for edge in spec["edges"]]
        self._module = {tuple(exchange): index for index, exchange in enumerate(spec["exchanges"])}
        self._width: dict[int, int] = {}
        self._news: set[tuple[int, ...]] = set()

    def place(self, block_index: int, block: dict) -> tuple[int | None, tuple[tuple[int, int], ...]]:
        """The next layer's column, and what it receives: pairs of an exchange's index and the source column."""
        column = self._column.get(block_index)
        received = sorted(edge for edge in self._news if edge[1] == column)
        self._news -= set(received)
        lateral = tuple(
            (self._module[source, target, self._width[source], block["d_in"]], source) for source, target in received
        )
        if column is not None:
            self._width[column] = block["d_model"]
            self._news |= {edge for edge in self._edges if edge[0] == column}
        return column, lateral


def build_exchanges(spec: dict | None) -> nn.ModuleList:
    """The modules that `config.lateral` lists."""
    if spec is None:
        return nn.ModuleList()
    return nn.ModuleList(LateralExchange(source, target, spec["coef"]) for _, _, source, target in spec["exchanges"])
