"""Which known word was probably meant."""

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

MAX_WORD = 100
"""Longer words are no typing errors, and comparing them is slow."""
MAX_CANDIDATES = 1_000
"""Comparing with more would be felt."""


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that is most like `word`, or None when none is like it (similarity below 0.6)."""
    if len(word) > MAX_WORD:
        return None
    known = [candidate for candidate in islice(candidates, MAX_CANDIDATES) if len(candidate) <= MAX_WORD]
    by_lower = {candidate.lower(): candidate for candidate in known}
    if word.lower() in by_lower:
        return by_lower[word.lower()]
    found = get_close_matches(word, known, n=1, cutoff=0.6)
    return found[0] if found else None
