"""What a part keeps for its backward pass: the activations of one training call, counted without building anything.

Counted are the tensors that autograd saves, each once, those that a part hands on with the part that reads them. It is
an estimate: attention as torch's sdpa runs it (no scores, unless a softcap, sinks or compression need them), experts
grouped, convolutions and recurrences as the runtime's own code; small change (a number a token here and there) is left
out. A test holds it against the tensors that are really saved.
"""

from collections.abc import Iterable

from eulerstack.records import dataclass


@dataclass(frozen=True, slots=True)
class Saved:
    """Numbers that are kept: `model` in the model's dtype, `fp32` always in fp32, `copies` in fp32 beside the model's
    own where that is narrower, `index` as int64.
    """

    model: float = 0
    fp32: float = 0
    copies: float = 0
    index: float = 0

    def __add__(self, other: "Saved") -> "Saved":
        return Saved(
            self.model + other.model, self.fp32 + other.fp32, self.copies + other.copies, self.index + other.index
        )

    def __mul__(self, times: float) -> "Saved":
        return Saved(self.model * times, self.fp32 * times, self.copies * times, self.index * times)

    def size(self, element_bytes: int) -> int:
        """Bytes, at so many bytes a number of the model's dtype."""
        copies = 0 if element_bytes == 4 else 4 * self.copies
        return round(self.model * element_bytes + 4 * self.fp32 + copies + 8 * self.index)


NONE = Saved()


def together(parts: Iterable[Saved]) -> Saved:
    """Their sum."""
    return sum(parts, NONE)


def rms_norm(rows: float, width: int) -> Saved:
    """An RMSNorm: its input widened, and the normalised rows before their weight."""
    return Saved(model=rows * width, fp32=rows * (width + 1))


def layer_norm(rows: float, width: int) -> Saved:
    """A LayerNorm: its input, mean and deviation."""
    return Saved(model=rows * width, fp32=2 * rows)
