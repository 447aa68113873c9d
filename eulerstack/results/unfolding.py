"""A picture whose repeats a reader unfolds by a click or a key: plain HTML, without a kernel and without a script."""

from html import escape

from eulerstack import i18n
from eulerstack.drawing import Drawing

FOLD = "eulerstack-fold"
_STYLE = f"<style>.{FOLD}>summary{{cursor:pointer}}.{FOLD}[open]>summary>div{{display:none}}</style>"
"""The folded picture gives way to the unfolded one; where styles are stripped, both stand below each other."""


def unfoldable(folded: Drawing, unfolded: Drawing) -> str:
    """The folded picture, which opens into the unfolded one; alone where there is nothing to unfold."""
    if not folded.folds or not folded.inline:
        return folded.inline
    label = escape(i18n.text("explain", "unfold"))
    summary = f'<summary><span role="note">{label}</span>{folded.inline}</summary>'
    return f'{_STYLE}<details class="{FOLD}">{summary}{unfolded.inline}</details>'
