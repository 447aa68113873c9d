"""What training a small model while reading computes: test-time training layers, neural memories.

A matrix with I inputs (its bias one of them) and O outputs that is another one for each of L tokens is never formed
(the dual form, Sun 2024): to read with it, or to bring a gradient back through it, takes L·I·O for the matrix that was
there before, and L²·(I + O) for what each inner step wrote.
"""

from collections.abc import Iterator, Sequence

from eulerstack.records import dataclass
from eulerstack.schema.work import NOTHING, Call, Work, product, total

KEPT_BYTES = 2**28
"""Beyond so many bytes of weights kept for the backward pass the runtime computes the inner loop twice."""

Matrix = tuple[int, int]
"""Inputs and outputs."""


@dataclass(frozen=True, slots=True)
class Segment:
    """`length` tokens of one chunk; `begins`: from its first one on; `first` and `last` of the call."""

    length: int
    begins: bool
    first: bool
    last: bool


def segments(call: Call, chunk: int) -> Iterator[tuple[Segment, int]]:
    """The pieces of a call that lie in one chunk each, those that are alike once with their number.

    Tokens that were picked out of a longer sequence are laid out on whole chunks, of which the first is not known to
    begin one.
    """
    offset, tokens = call.past % chunk, call.tokens
    if call.masked and tokens > 1:
        tokens = -(-tokens // chunk) * chunk
    lengths = [min(chunk - offset, tokens)]
    whole, rest = divmod(tokens - lengths[0], chunk)
    lone = not whole and not rest
    yield Segment(lengths[0], not offset and not call.masked, True, lone), 1
    if whole - (not rest) > 0:
        yield Segment(chunk, True, False, False), whole - (not rest)
    if not lone:
        yield Segment(rest or chunk, True, False, True), 1


def read(matrix: Matrix, length: int, writes: int = 0) -> Work:
    """One reading with the matrix before and so many writes, or one gradient brought back through them."""
    inputs, outputs = matrix
    return product(length, inputs, outputs) + product(writes * length, length, inputs + outputs)


def descent(matrices: Sequence[Matrix], steps: int, segment: Segment) -> Work:
    """`steps` inner steps of gradient descent on a segment, the readings after them, and the sums carried on.

    In an unfinished chunk all but the first readings also need what earlier calls wrote, which no gradient reaches.
    What is carried on from the last segment training does not need.
    """
    length, work = segment.length, NOTHING
    for written in range(steps + 1):
        before = 1 if written and not segment.begins else 0
        each = [
            read(matrix, length, written) + product(before * length, *matrix, grads=1)  # what earlier calls wrote
            for matrix in matrices
        ]
        work += total(each) + (total(each[1:]) if written < steps else NOTHING)
    sums = length * sum(inputs * outputs for inputs, outputs in matrices)
    return work + product(steps, sums, grads=0 if segment.last else 2)


def twice(work: Work, kept_bytes: int) -> Work:
    """The work, its forward pass repeated before the backward one where too much would have to be kept."""
    again = kept_bytes > KEPT_BYTES
    return work + Work(0, work.forward, 0, work.scan) if again else work
