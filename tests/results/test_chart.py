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


def _squares(svg: str) -> dict[tuple[int, int], tuple[int, ...]]:
    """The colour of every tile that is not white, by its column and row."""
    found = {}
    for path in ElementTree.fromstring(svg).iter(f"{SVG}path"):
        colour = tuple(map(int, re.findall(r"\d+", path.get("fill", ""))))
        for over, down in re.findall(r"M(\d+) (\d+)h1", path.get("d", "")):
            found[int(over), int(down)] = colour
    return found


def test_a_tile_is_white_at_zero_blue_above_and_red_below() -> None:
    found = _squares(tiles({"m": [[0.0, 1.0], [-1.0, 0.5]]}).svg)
    assert set(found) == {(1, 0), (0, 1), (1, 1)}, "zero is left white"
    assert found[1, 0][2] > found[1, 0][0], "blue"
    assert found[0, 1][0] > found[0, 1][2], "red"
    assert found[1, 0][0] < found[1, 1][0] < 255, "half is paler"


def test_a_matrix_of_zeros_is_white() -> None:
    assert not _squares(tiles({"m": [[0.0]]}).svg)
