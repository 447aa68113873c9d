"""Which text is trained on and which is held out to judge by."""

from collections.abc import Iterable, Iterator
from itertools import chain, islice

HELD_OUT_EVERY = 16
"""One document of so many is held out, the first of each sixteen; of fewer documents, the last sixteenth of each."""


def split(documents: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Every piece of text and whether it is held out. Empty texts are left out."""
    texts = (text for text in documents if text)
    first = list(islice(texts, HELD_OUT_EVERY))
    if len(first) == HELD_OUT_EVERY:
        for index, text in enumerate(chain(first, texts)):
            yield text, index % HELD_OUT_EVERY == 0
        return
    for text in first:
        border = _line_border(text, len(text) - len(text) // HELD_OUT_EVERY)
        yield text[:border], False
        if border < len(text):
            yield text[border:], True


def _line_border(text: str, place: int) -> int:
    """The start of the line around `place`, or `place` itself where that is the first line."""
    return text.rfind("\n", 0, place) + 1 or place
