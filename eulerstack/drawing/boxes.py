"""The boxes of a picture: Graphviz labels with a title, a size beside it, lines, and badges.

Colours are mid-tones with dark text on a transparent ground, so that the picture reads in light and dark themes.
"""

from collections.abc import Iterable
from html import escape

from eulerstack.ir.nodes import Block, Integrator, Parallel
from eulerstack.records import dataclass
from eulerstack.schema.mixers import Attention

FONT = "Helvetica,Arial,Noto Sans CJK KR,Noto Sans CJK SC,Noto Sans CJK JP,sans-serif"
LINE = "#7f8794"
NEUTRAL = "#d5d9e0"
COLORS = {
    "attention": "#a9c7f5",
    "mamba": "#b5e2b0",
    "retnet": "#f6d59a",
    "hyena": "#f2b8c6",
    "branched": "#d8c4f0",
    "ttt_layer": "#a8e0dd",
    "gated_deltanet": "#e6e09a",
}
"""A mixer's colour."""

WINDOWED = "#cfe0fb"
"""Attention that sees a window only: the same hue, lighter."""

BADGES = {
    "moe": "#ffb86b",
    "memory": "#9fd8cb",
    "depth": "#ffe08a",
    "hyper": "#c9b6f2",
    "share": "#c3ccd8",
    "width": "#e8c39e",
    "column": "#f4f5f7",
}
"""A badge's colour by what it tells."""

MARKS = {"added": ("+", "#1a7f37"), "removed": ("-", "#cf222e"), "changed": ("~", "#bf8700")}
"""The sign and the colour of a difference."""

SHAPES = {
    "global_binding": "doubleoctagon",
    "sensory": "invtrapezium",
    "association": "hexagon",
    "memory": "cylinder",
    "motor": "trapezium",
}
"""A column's shape by its role; a role of the user's own is a plain box."""

GAP = "&#160;&#160;"


@dataclass(frozen=True, slots=True, kw_only=True)
class Badge:
    """Something that hangs on a layer beside mixer and ffn. `kind` is one of `BADGES`."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A difference from the other model: its kind, and the keys that differ."""

    kind: str
    keys: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """`~ window, n_kv_heads`: at most three keys."""
        shown = ", ".join(self.keys[:3]) + (" …" if len(self.keys) > 3 else "")
        return f"{MARKS[self.kind][0]} {shown}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """What one node of the picture says. `sizes`: parameters and decoding state, as texts."""

    title: str
    lines: tuple[str, ...] = ()
    color: str = NEUTRAL
    sizes: tuple[str, ...] = ()
    badges: tuple[Badge, ...] = ()
    mark: Mark | None = None

    def label(self) -> str:
        """The box in Graphviz' HTML."""
        size, *more = (*self.sizes, "")
        lines = [line for line in self.lines if line]
        rows = [_row(f"<B>{escape(self.title)}</B>", size)]
        rows += [_row(escape(line), beside) for line, beside in zip(lines, [*more, *[""] * len(lines)], strict=False)]
        rows += [_row("", beside) for beside in more[len(lines) :] if beside]
        if self.badges:
            rows.append(f'<TR><TD ALIGN="LEFT" COLSPAN="2" CELLPADDING="0">{_chips(self.badges)}</TD></TR>')
        if self.mark and self.mark.keys:
            tone = MARKS[self.mark.kind][1]
            told = f'<FONT COLOR="{tone}"><B>{escape(self.mark.text)}</B></FONT>'
            rows.append(f'<TR><TD ALIGN="LEFT" COLSPAN="2" BGCOLOR="#ffffff">{told}</TD></TR>')
        border, line = (3, MARKS[self.mark.kind][1]) if self.mark else (1, LINE)
        style = (
            f'BORDER="{border}" COLOR="{line}" BGCOLOR="{self.color}" CELLBORDER="0" CELLSPACING="2" '
            f'CELLPADDING="2" STYLE="ROUNDED"'
        )
        return f"<<TABLE {style}>{''.join(rows)}</TABLE>>"


def _row(left: str, right: str) -> str:
    return f'<TR><TD ALIGN="LEFT">{left}</TD><TD ALIGN="RIGHT">{GAP if right else ""}{escape(right)}</TD></TR>'


def _chips(badges: Iterable[Badge]) -> str:
    cells = "".join(
        f'<TD BGCOLOR="{BADGES[badge.kind]}" BORDER="1" COLOR="{LINE}" STYLE="ROUNDED">'
        f'<FONT POINT-SIZE="10">{escape(badge.text)}</FONT></TD>'
        for badge in badges
    )
    return f'<TABLE BORDER="0" CELLSPACING="3" CELLPADDING="2"><TR>{cells}</TR></TABLE>'


def color_of(block: Block) -> str:
    """The colour of a layer's box."""
    if isinstance(block.mixer, Attention) and block.mixer.window is not None:
        return WINDOWED
    return COLORS.get(block.mixer.type, NEUTRAL)


def group_title(node: Parallel | Integrator) -> str:
    """What a cluster of streams or of steps is called."""
    return "parallel" if isinstance(node, Parallel) else f"{node.type} · steps {node.steps}"
