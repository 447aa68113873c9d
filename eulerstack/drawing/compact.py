"""Graphviz' SVG, shorter: the same picture in about half the characters, for notebooks carry it as text."""

import re

_FAMILY = re.compile(r' font-family="([^"]*)"')
_SIZE = re.compile(r' font-size="([^"]*)"')
_SAID_ANYWAY = re.compile(r'<title>.*?</title>|<!--.*?-->| xml:space="preserve"| text-anchor="start"', re.DOTALL)
"""Names of nodes, which browsers show when the mouse rests, and what is so where nothing is said."""
_NAMES = re.compile(r'<g id="[^"]*" class="[^"]*"')
_TAG = re.compile(r"<[^>]*>")
_NUMBER = re.compile(r"-?\d+\.\d+")
_BOX = re.compile(r'<path ([^>]*?)d="M([^"C]*)C([^"]*) \2"/>')
"""A path of curves that ends where it begins: Graphviz draws round corners, and no edge, so."""
CORNER = 12
"""Of Graphviz' rounded boxes, in points, where their sides are long enough."""


def compact(svg: str) -> str:
    """An `<svg>` element of Graphviz that looks the same: fonts named once, coordinates to a tenth of a point, rounded
    boxes as rectangles.
    """
    svg = _NAMES.sub("<g", _SAID_ANYWAY.sub("", svg))
    families, sizes = _FAMILY.findall(svg), _SIZE.findall(svg)
    if families:
        family, size = (max(sorted(set(found)), key=found.count) for found in (families, sizes))
        svg = svg.replace(f' font-family="{family}"', "").replace(f' font-size="{size}"', "")
        svg = svg.replace("<svg", f'<svg xml:space="preserve" font-family="{family}" font-size="{size}"', 1)
    svg = _BOX.sub(lambda path: _rectangle(path[1], f"{path[2]} {path[3]}"), svg)
    return re.sub(r"\n+", "\n", _TAG.sub(lambda tag: _NUMBER.sub(_rounded, tag[0]), svg))


def _rounded(number: re.Match[str]) -> str:
    return f"{float(number[0]):.1f}".removesuffix(".0")


def _rectangle(style: str, points: str) -> str:
    """What encloses the points of a rounded box."""
    across, up = ([float(point.split(",")[axis]) for point in points.split()] for axis in (0, 1))
    left, top, width, height = min(across), min(up), max(across) - min(across), max(up) - min(up)
    corner = min(CORNER, width / 3, height / 3)
    where = f'x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{corner:.1f}"'
    return f"<rect {style}{where}/>"
