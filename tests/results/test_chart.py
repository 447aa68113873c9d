"""Charts are well-formed SVG that shows what it is given."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from eulerstack.results.chart import LABEL_GAP, lines, tiles

SVG = "{http://www.w3.org/2000/svg}"


def _polylines(svg: str) -> list[list[tuple[float, float]]]:
    found = ElementTree.fromstring(svg).iter(f"{SVG}polyline")
    return [[tuple(map(float, point.split(","))) for point in line.get("points", "").split()] for line in found]


def test_a_line_keeps_the_order_and_the_proportions_of_its_points() -> None:
    ((first, second, third),) = _polylines(lines({"a": [(0, 0), (1, 1), (3, 3)]}).svg)
    assert first[0] < second[0] < third[0]
    assert first[1] > second[1] > third[1], "larger is higher"
    assert (third[0] - first[0]) / (second[0] - first[0]) == pytest.approx(3, rel=1e-2)


def test_a_logarithmic_axis_makes_ratios_distances() -> None:
    ((first, second, third),) = _polylines(lines({"a": [(1, 1), (10, 10), (100, 100)]}, log="xy").svg)
    assert second[0] - first[0] == pytest.approx(third[0] - second[0], abs=0.2)
    assert first[1] - second[1] == pytest.approx(second[1] - third[1], abs=0.2)


def test_names_of_lines_that_end_together_do_not_cover_each_other() -> None:
    svg = lines({"first": [(0, 1)], "second": [(0, 1)], "third": [(0, 1)]}).svg
    heights = sorted(
        float(y) for y, name in re.findall(r'y="([\d.]+)"[^>]*>(\w+)<', svg) if name.endswith(("st", "nd", "rd"))
    )
    assert all(later - earlier >= LABEL_GAP - 0.1 for earlier, later in pairwise(heights))
    assert len(heights) == 3


def test_one_point_and_equal_values_have_a_place() -> None:
    assert _polylines(lines({"a": [(2, 5), (2, 5)]}).svg)
    assert _polylines(lines({"a": [(2, 5)]}, log="xy").svg)


def test_nothing_to_show_is_an_error() -> None:
    with pytest.raises(ValueError, match="point"):
        lines({"a": []})


def test_names_are_escaped() -> None:
    ElementTree.fromstring(lines({"<a & b>": [(0, 1)]}, x="x < y").svg)


def test_a_tile_is_white_at_zero_blue_above_and_red_below() -> None:
    svg = tiles({"m": [[0.0, 1.0], [-1.0, 0.5]]}).svg
    fills = [rect.get("fill", "") for rect in ElementTree.fromstring(svg).iter(f"{SVG}rect")][:4]
    colours = [tuple(map(int, re.findall(r"\d+", fill))) for fill in fills]
    assert colours[0] == (255, 255, 255)
    assert colours[1][2] > colours[1][0], "blue"
    assert colours[2][0] > colours[2][2], "red"
    assert colours[1][0] < colours[3][0] < colours[0][0], "half is paler"


def test_a_matrix_of_zeros_is_white() -> None:
    assert tiles({"m": [[0.0]]}).svg.count("rgb(255,255,255)") == 1
