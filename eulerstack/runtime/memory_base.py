"""What all memories share: the gate, when they write, how long they live.

Shape suffixes: B batch, T tokens, M d_model.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import nn
from transformers.utils.generic import maybe_autocast

from .cache import StateLayer, state_of
from .chunk_rows import Place


class MemoryState(StateLayer):
    """A memory's state. One of a query is forgotten when `generate` begins again with a cache that was used before."""

    def __init__(self, persistence: str):
        super().__init__()
        self.of_a_query = persistence == "per_query"
        self.forgotten = 0

    def forget(self) -> None:
        """Begin anew, but for the count of tokens, which all layers of a cache share."""
        self.tensors, self.forgotten = {}, self.seen

    def reset(self) -> None:
        """As StateLayer's."""
        super().reset()
        self.forgotten = 0

    def before(self) -> Place:
        """How many real tokens it remembers: one number for all rows, or one a row [B]."""
        stored = self.get("position")
        return self.seen - self.forgotten if stored is None else stored


class Memory(nn.Module, ABC):
    """What is added to the mixer's output: σ(w·x + b) · W_o · reading(x), x being what the mixer reads too.

    It writes in training, and in evaluation where `update_at_inference`; else evaluation reads the learned memory, and
    keeps no state. A `persistent` memory begins with what was committed besides: buffers `committed_*` [as the learned
    memory], in fp32, that `commit` fills with the mean change over the batch.
    """

    is_recurrent = True
    contents: Sequence[str] = ()
    """The learned parameters that are the memory; after tokens, the state holds tensors of the same names."""

    def __init__(self, block: dict):
        super().__init__()
        spec, d_model = block["memory"], block["d_model"]
        self.update_at_inference, self.persistence = spec["update_at_inference"], spec["persistence"]
        self.hidden = spec["params"]["hidden"]
        self.o_proj = nn.Linear(d_model, d_model, bias=False)
        self.gate = nn.Linear(d_model, 1)

    def remember(self, **shapes: tuple[int, ...]) -> None:
        """Make the parameters that are the memory, and where they persist their buffers."""
        self.contents = tuple(shapes)
        for name, shape in shapes.items():
            setattr(self, name, nn.Parameter(torch.empty(shape)))
            if self.persistence == "persistent":
                self.register_buffer(f"committed_{name}", torch.empty(shape, dtype=torch.float32))

    def learned(self, name: str, dtype: torch.dtype) -> torch.Tensor:
        """The memory before the first token."""
        parameter = getattr(self, name).to(dtype)
        committed = getattr(self, f"committed_{name}", None)
        return parameter if committed is None else parameter + committed.to(dtype)

    def state_layers(self) -> list[MemoryState]:
        """One."""
        return [MemoryState(self.persistence)]

    def forward(
        self,
        hidden_states: torch.Tensor,
        token_mask: torch.Tensor | None = None,
        past_key_values=None,
        cache_index: int | None = None,
        **kwargs,
    ) -> torch.Tensor:
        """What to add [B, T, M] for `hidden_states` [B, T, M]; `token_mask` [B, T] is 0 for padding."""
        state = state_of(past_key_values, cache_index)
        assert state is None or isinstance(state, MemoryState)
        wide = torch.promote_types(hidden_states.dtype, torch.float32)
        vectors = self.project(hidden_states)
        with maybe_autocast(hidden_states.device.type, enabled=False):
            vectors = tuple(vector.to(wide) for vector in vectors)
            if self.training or self.update_at_inference:
                reading, tensors = self.write(vectors, token_mask, state)
            else:
                reading, tensors = self.recall(vectors[0]), {}
        if state is not None:
            state.advance(hidden_states.shape[1], **tensors)
        return torch.sigmoid(self.gate(hidden_states)) * self.o_proj(reading.to(hidden_states.dtype))

    @abstractmethod
    def project(self, x_BTM: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The queries, and what writing needs, each [B, T, …]."""

    @abstractmethod
    def recall(self, query_BTK: torch.Tensor) -> torch.Tensor:
        """What the learned memory answers [B, T, M]."""

    @abstractmethod
    def write(
        self, vectors: tuple[torch.Tensor, ...], token_mask: torch.Tensor | None, state: MemoryState | None
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Every token's reading [B, T, M] while the tokens are written; and the state's tensors after them."""

    @torch.no_grad()
    def commit(self, states: Sequence[StateLayer]) -> None:
        """Keep the mean over the rows of these states for good; states without tensors tell nothing."""
        written = [state for state in states if state.tensors]
        for name in self.contents if written else ():
            mean = torch.cat([state.tensors[name].to(torch.float32) for state in written]).mean(dim=0)
            committed = getattr(self, f"committed_{name}")
            committed.copy_(mean.to(committed.device) - getattr(self, name).float())
