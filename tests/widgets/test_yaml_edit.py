"""Values changed inside a text that stays as it is."""

import pytest

from eulerstack.diagnostics import Source
from eulerstack.dsl import parse
from eulerstack.widgets.yaml_edit import replaced

TEXT = """\
# 주석
model:   # flow below
  name: "x"
  d_model: 64   # width
sizes: { a: 1, b: [10, 20] }
empty: {}
"""


def changed(path, value, text=TEXT):
    return replaced(text, parse(Source("t.yml", text)), path, value)


@pytest.mark.parametrize(
    ("path", "value", "before", "after"),
    [
        (("model", "d_model"), 128, "d_model: 64   #", "d_model: 128   #"),
        (("model", "name"), "wide one", '"x"', '"wide one"'),
        (("sizes", "a"), 2, "a: 1", "a: 2"),
        (("sizes", "b", 1), 30, "20", "30"),
        (("model", "n_heads"), 4, '  name: "x"', '  n_heads: 4\n  name: "x"'),
        (("sizes", "c"), 3, "{ a: 1", "{ c: 3, a: 1"),
        (("sizes", "deep", "er"), 3, "{ a: 1", "{ deep: { er: 3 }, a: 1"),
        (("empty", "x"), 1, "{}", "{ x: 1 }"),
        (("head", "n"), 1, "model:   #", "head: { n: 1 }\nmodel:   #"),
    ],
)
def test_one_value_changes_and_nothing_else(path, value, before, after):
    text = changed(path, value)
    assert text == TEXT.replace(before, after, 1)
    node = parse(Source("t.yml", text)).plain()
    for step in path:
        node = node[step]
    assert node == value


@pytest.mark.parametrize("path", [("model",), ("sizes", "b", 5), ("sizes", "b", 0, "x"), ("sizes", "c", 0)])
def test_what_is_no_place_for_a_value_is_refused(path):
    with pytest.raises(LookupError):
        changed(path, 1)
