"""What sets two models apart: settings key by key, layers aligned by what they are."""

from hypothesis import given, settings
from hypothesis import strategies as st

from eulerstack import api
from eulerstack.diagnostics import Source
from eulerstack.ir.diff import GAP, Change, align, diff, plain_changes, ranges, unlikeness
from tests.ir.specs import LLAMA, model_of
from tests.strategies.specs import as_text, specs


def changed(before: str, after: str):
    return diff(model_of(before), model_of(after))


def replaced(old: str, new: str, text: str = LLAMA) -> str:
    assert old in text
    return text.replace(old, new, 1)


def test_a_model_does_not_differ_from_itself_and_its_printed_form():
    loaded = api.load("arch_expert_kitchen_sink")
    again = api.load(Source("again.yml", loaded.yaml))
    assert not diff(loaded.model, loaded.model)
    assert not diff(loaded.model, again.model)


def test_a_derived_number_is_told_where_it_is_used():
    found = changed(LLAMA, replaced("max_seq_len: ", "mlp_ratio: 3, max_seq_len: "))
    assert {change.path: change.kind for change in found.settings} == {
        ("model", "mlp_ratio"): "changed",
        ("model", "d_ff"): "changed",
    }
    (layers,) = found.layers
    assert [change.path for change in layers.changes] == [("ffn", "d_ff")]
    assert layers.before == layers.after == tuple(range(len(model_of(LLAMA).schedule)))


def test_every_fourth_layer_changes_alike():
    before, after = api.load("llm_0p8b_simple").model, api.load("llm_0p8b_mistral").model
    (layers,) = diff(before, after).layers
    assert ranges(layers.before) == "1–3, 5–7, 9–11, 13–15, 17–19, 21–23, 25–27"
    assert layers.before == layers.after
    assert {(".".join(map(str, change.path)), change.kind) for change in layers.changes} == {
        ("mixer.attention.window_mode", "changed"),
        ("mixer.attention.window", "added"),
    }


def test_names_of_templates_are_not_compared():
    text = api.preset("llm_0p1b_simple").source.text
    renamed = text.replace("decoder", "another")
    assert not diff(api.load(Source("a.yml", text)).model, api.load(Source("b.yml", renamed)).model)


def test_a_layer_put_in_and_one_taken_out_are_found_where_they_are():
    base = api.preset("llm_0p1b_simple").source.text
    entry = "  - { template: decoder, repeat: 16 }\n"
    assert entry in base
    scan = "  scan: { mixer: { type: mamba }, ffn: { type: none } }\nlayer_schedule:\n"
    more = base.replace("layer_schedule:\n", scan).replace(
        entry, "  - { template: decoder, repeat: 5 }\n  - { template: scan }\n  - { template: decoder, repeat: 11 }\n"
    )
    before, after = api.load(Source("a.yml", base)).model, api.load(Source("b.yml", more)).model
    (added,) = diff(before, after).layers
    assert (added.kind, added.before, added.after) == ("added", (), (5,))
    assert added.layer["mixer"]["type"] == "mamba"
    (removed,) = diff(after, before).layers
    assert (removed.kind, removed.before, removed.after) == ("removed", (5,), ())


def test_streams_are_no_changed_layer():
    layer, streams = {"mixer": {"type": "mamba"}}, {"parallel": {}, "merge": {}}
    assert unlikeness(layer, streams) > 2 * GAP
    assert align([layer], [streams], unlikeness) == [(0, None), (None, 0)]


def test_lists_of_mappings_are_aligned():
    before = {"modes": [{"name": "a", "n": 1}, {"name": "b", "n": 1}]}
    after = {"modes": [{"name": "b", "n": 2}]}
    assert list(plain_changes(before, after)) == [
        Change(path=("modes", 0), kind="removed", before={"name": "a", "n": 1}, after=None),
        Change(path=("modes", 0, "n"), kind="changed", before=1, after=2),
    ]


def test_ranges():
    assert ranges([0, 1, 2, 5, 7, 8]) == "0–2, 5, 7–8"
    assert ranges([]) == ""


@given(st.lists(st.integers(0, 3), max_size=12), st.lists(st.integers(0, 3), max_size=12))
@settings(deadline=None)
def test_an_alignment_has_every_item_once_and_in_order(before, after):
    pairs = align(before, after, lambda a, b: 0.0 if a == b else 0.5)
    assert [old for old, _ in pairs if old is not None] == list(range(len(before)))
    assert [new for _, new in pairs if new is not None] == list(range(len(after)))
    if before == after:
        assert all(old == new for old, new in pairs)


@given(specs(), specs())
@settings(max_examples=15, deadline=None)
def test_what_differs_one_way_differs_the_other(one, other):
    first, second = (api.load(Source("s.yml", as_text(spec))).model for spec in (one, other))
    there, back = diff(first, second), diff(second, first)
    opposite = {"added": "removed", "removed": "added", "changed": "changed"}
    assert {(c.path, opposite[c.kind]) for c in there.settings} == {(c.path, c.kind) for c in back.settings}
    assert not diff(first, first)
