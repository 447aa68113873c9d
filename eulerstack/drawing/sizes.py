"""What a picture writes beside its boxes: parameters and the bytes of decoding state."""

from eulerstack.ir import count
from eulerstack.ir.caches import cache_bytes
from eulerstack.ir.cost import Cost
from eulerstack.ir.nodes import Model
from eulerstack.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Of each entry of the schedule: parameters, bytes that a token adds to the cache, and bytes of a state that does
    not grow. `embedding`: the parameters of its tables, as text.
    """

    parameters: tuple[int, ...]
    per_token: tuple[int, ...]
    fixed: tuple[int, ...]
    embedding: tuple[str, ...]

    @classmethod
    def of(cls, model: Model, cost: Cost | None = None) -> "Sizes":
        """The sizes of a model, from its cost where that is known."""
        if cost:
            totals, per_token = cost.params, cost.cache.per_layer_token
            fixed = cost.cache.per_layer_at_seq
        else:
            totals, fixed = count(model), cache_bytes(model, 0)
            per_token = tuple(one - none for none, one in zip(fixed, cache_bytes(model, 1), strict=True))
        embedding = (short(totals.embedding),)
        return cls(parameters=totals.per_layer, per_token=per_token, fixed=fixed, embedding=embedding)

    def of_entry(self, entry: int, repeat: int = 1) -> tuple[str, ...]:
        """`3 × 12.6M`, and `3 × 4 KiB/token` or the size of a state; of `repeat` equal entries."""
        times = f"{repeat} × " if repeat > 1 else ""
        added, state = self.per_token[entry], self.fixed[entry]
        kept = f"{times}{size(added)}/token" if added else f"{times}{size(state)}" if state else ""
        return (f"{times}{short(self.parameters[entry])}", *([kept] if kept else []))


def short(number: int) -> str:
    """`12.6M`, `512`."""
    for unit, letter in ((10**9, "B"), (10**6, "M"), (10**3, "K")):
        if number >= unit:
            return f"{number / unit:.3g}{letter}"
    return str(number)


def size(count: float) -> str:
    """`4 KiB`, `1.5 MiB`."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:.3g} GiB"
