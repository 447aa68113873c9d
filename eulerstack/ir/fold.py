"""Folding a flat schedule into nested repeats: `L S S S L S S S …` is `(L S×3)×6`.

Printing, explain, drawing and shrink all show or keep the same structure. Maximal repetitions are found as in
Main & Lorentz (1984), by comparing the text with itself at every period's checkpoints; those that save most are taken.
"""

import heapq
from collections.abc import Hashable, Iterator, Sequence

from eulerstack.ir.nodes import Node
from eulerstack.records import dataclass


@dataclass(frozen=True, slots=True)
class Run:
    """`body`, `repeat` times over. A leaf's body is one schedule node, any other body is two or more runs."""

    body: tuple["Run", ...] | tuple[Node]
    repeat: int

    @property
    def leaf(self) -> Node | None:
        """The node that is repeated, or None where the body is a sequence of runs."""
        return None if isinstance(self.body[0], Run) else self.body[0]

    @property
    def runs(self) -> tuple["Run", ...]:
        """What a body of several runs holds; empty for a leaf."""
        return tuple(run for run in self.body if isinstance(run, Run))

    @property
    def length(self) -> int:
        """How many nodes of the flat schedule it stands for."""
        return self.repeat * (sum(run.length for run in self.runs) or 1)


def fold(schedule: Sequence[Node]) -> tuple[Run, ...]:
    """The schedule as nested runs; `unfold` gives it back. O(n log² n) comparisons, deterministic."""
    nodes: list[Node] = []
    index: dict[Hashable, int] = {}
    for node in schedule:
        if node not in index:
            index[node] = len(nodes)
            nodes.append(node)
    return _fold("".join(chr(index[node]) for node in schedule), nodes)


def unfold(runs: Sequence[Run]) -> tuple[Node, ...]:
    """The flat schedule that the runs stand for."""
    flat: list[Node] = []
    for run in runs:
        flat.extend(((run.leaf,) if run.leaf is not None else unfold(run.runs)) * run.repeat)
    return tuple(flat)


def _fold(text: str, nodes: list[Node]) -> tuple[Run, ...]:
    runs: list[Run] = []
    at = 0
    for start, period, repeat in _choose(text):
        runs += [Run((nodes[ord(symbol)],), 1) for symbol in text[at:start]]
        body = _fold(text[start : start + period], nodes)
        runs.append(Run(body[0].body, body[0].repeat * repeat) if len(body) == 1 else Run(body, repeat))
        at = start + period * repeat
    return (*runs, *(Run((nodes[ord(symbol)],), 1) for symbol in text[at:]))


def _choose(text: str) -> list[tuple[int, int, int]]:
    """Disjoint repetitions `(start, period, repeat)` in the order of the text, those that save most taken first."""
    queue = [(-_saving(start, end, p), p, start, end) for start, end, p in _repetitions(text)]
    heapq.heapify(queue)
    taken: list[tuple[int, int, int]] = []
    free = [True] * len(text)
    while queue:
        _, period, start, end = heapq.heappop(queue)
        pieces = _free_pieces(free, start, end)
        if pieces != [(start, end)]:
            for left, right in pieces:
                if right - left >= 2 * period:
                    heapq.heappush(queue, (-_saving(left, right, period), period, left, right))
            continue
        start = _best_offset(text, start, end, period)
        repeat = (end - start) // period
        free[start : start + repeat * period] = [False] * (repeat * period)
        taken.append((start, period, repeat))
    return sorted(taken)


def _saving(start: int, end: int, period: int) -> int:
    return (end - start) // period * period - period


def _best_offset(text: str, start: int, end: int, period: int) -> int:
    """Where a repetition with a partial last period should begin: at a change of symbol, so that no run is cut."""
    slack = (end - start) % period
    return next((i for i in range(start, start + slack + 1) if text[i] != text[i + period - 1]), start)


def _free_pieces(free: list[bool], start: int, end: int) -> list[tuple[int, int]]:
    pieces: list[tuple[int, int]] = []
    left = start
    for i in range(start, end + 1):
        if i == end or not free[i]:
            if i > left:
                pieces.append((left, i))
            left = i + 1
    return pieces


def _repetitions(text: str) -> Iterator[tuple[int, int, int]]:
    """All maximal repetitions `(start, end, period)` of at least two whole periods, each with its smallest period.

    Any `period` neighbours hold one multiple of it, so that comparing the text with itself around those is enough.
    """
    backwards = text[::-1]
    size = len(text)
    seen: set[tuple[int, int]] = set()
    for period in range(1, size // 2 + 1):
        covered = 0
        for i in range(0, size - period, period):
            j = i + period
            if j < covered or text[i] != text[j]:
                continue
            start = i - _agreement(backwards, size - i, size - j)
            covered = end = j + _agreement(text, i, j)
            if end - start >= 2 * period and (start, end) not in seen:
                seen.add((start, end))
                yield start, end, period


def _agreement(text: str, i: int, j: int) -> int:
    """How many symbols from `i` on equal those from `j` on."""
    longest = len(text) - max(i, j)
    count, step = 0, 1
    while step:
        if count + step <= longest and text[i + count : i + count + step] == text[j + count : j + count + step]:
            count += step
            step *= 2
        else:
            step //= 2
    return count
