"""The shorter SVG is the same picture: its words in their places, its boxes as large."""

import re
import xml.etree.ElementTree as ET

import pytest

from eulerstack import api
from eulerstack.drawing.compact import compact
from eulerstack.drawing.layout import render

SVG = "{http://www.w3.org/2000/svg}"
PRESETS = ("arch_beginner_gpt2", "arch_advanced_jamba", "arch_expert_dual_stream", "arch_expert_kitchen_sink")
NEAR = 0.051
"""Half of a tenth, and the number's own rounding."""


def laid_out(name: str) -> str:
    text = render(api.draw(name).dot, "svg").decode()
    return text[text.index("<svg") :]


def words(svg: str) -> list[tuple[str, float, float]]:
    found = ET.fromstring(svg).iter(f"{SVG}text")
    return [("".join(text.itertext()), float(text.attrib["x"]), float(text.attrib["y"])) for text in found]


def enclosed(path: str) -> tuple[float, float, float, float]:
    points = [tuple(map(float, pair)) for pair in re.findall(r"(-?[\d.]+),(-?[\d.]+)", path)]
    across, up = zip(*points, strict=True)
    return min(across), min(up), max(across) - min(across), max(up) - min(up)


@pytest.mark.parametrize("name", PRESETS)
def test_every_word_stands_where_it_stood(name: str) -> None:
    before = laid_out(name)
    first, second = words(before), words(compact(before))
    assert [word for word, _, _ in first] == [word for word, _, _ in second]
    for (_, x, y), (_, new_x, new_y) in zip(first, second, strict=True):
        assert new_x == pytest.approx(x, abs=NEAR)
        assert new_y == pytest.approx(y, abs=NEAR)


@pytest.mark.parametrize("name", PRESETS)
def test_boxes_become_rectangles_as_large_and_edges_stay(name: str) -> None:
    before = laid_out(name)
    paths = [path.attrib["d"] for path in ET.fromstring(before).iter(f"{SVG}path")]
    boxes = [path for path in paths if path[1:].split("C")[0] == path.split()[-1]]
    root = ET.fromstring(compact(before))
    drawn = [[float(box.attrib[key]) for key in ("x", "y", "width", "height")] for box in root.iter(f"{SVG}rect")]
    assert len(list(root.iter(f"{SVG}path"))) == len(paths) - len(boxes) > 0
    assert len(drawn) == len(boxes) > 0
    for path, box in zip(boxes, drawn, strict=True):
        assert box == pytest.approx(enclosed(path), abs=NEAR)


@pytest.mark.parametrize("name", PRESETS)
def test_it_is_less_than_half_as_long(name: str) -> None:
    before = laid_out(name)
    assert len(compact(before)) < len(before) / 2


def test_a_picture_without_words_stays_one() -> None:
    assert compact('<svg><g id="a" class="b"></g></svg>') == "<svg><g></g></svg>"
