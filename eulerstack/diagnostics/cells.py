"""Text measured and wrapped by terminal cells: a Hangul syllable or a Han character fills two, an accent none."""

import unicodedata
from collections.abc import Iterator

_NO_WIDTH = frozenset(("Mn", "Me", "Cf"))

_NOT_FIRST = frozenset("、。，．：；！？・…ー々〜）」』》】〕”’ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ),.:;!?%]}\"'`")
_NOT_LAST = frozenset("（「『《【〔“‘([{\"'`")
"""Japanese and Chinese set no closing mark or small kana first on a line, and no opening mark last (JIS X 4051)."""


def cells(text: str) -> int:
    """How many terminal cells the text fills."""
    return len(text) if text.isascii() else sum(map(_width, text))


def _width(char: str) -> int:
    if unicodedata.category(char) in _NO_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def shortened(text: str, width: int) -> str:
    """The text, or as much of its beginning as fits into so many cells with an ellipsis."""
    if cells(text) <= width:
        return text
    kept = text[: max(0, width - 1)]
    while kept and cells(kept) >= width:
        kept = kept[:-1]
    return f"{kept}…" if width > 0 else ""


def wrap(text: str, width: int) -> Iterator[str]:
    """Lines of at most `width` terminal cells, broken at spaces and, in Japanese and Chinese, between characters.

    Korean keeps its words whole. A word that is longer than a line is cut where its characters are wide.
    """
    line = ""
    for space, piece in _pieces(text):
        candidate = f"{line}{space}{piece}" if line else piece
        if line and cells(candidate) > width:
            yield line
            candidate = piece
        line = candidate
        while cells(line) > width and cells(line) > len(line):
            cut = next(n for n in range(len(line), 0, -1) if cells(line[:n]) <= width or n == 1)
            yield line[:cut]
            line = line[cut:]
    if line:
        yield line


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    """What no line break may part, each with what stands before it on a line: a space, or nothing."""
    for word in text.split():
        space, start = " ", 0
        for at in range(1, len(word)):
            if _parts(word[at - 1], word[at]):
                yield space, word[start:at]
                space, start = "", at
        yield space, word[start:]


def _parts(before: str, after: str) -> bool:
    """Whether a line may end between two neighbours: where one is a Han character, a kana or their punctuation."""
    return (_has_no_spaces(before) or _has_no_spaces(after)) and before not in _NOT_LAST and after not in _NOT_FIRST


def _has_no_spaces(char: str) -> bool:
    """Whether the character belongs to a script that is written without spaces between words."""
    return _width(char) == 2 and not "가" <= char <= "힣"
