"""Pictures: what they say, that they fold, and that they come with pip's packages alone."""

import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from eulerstack import drawing
from eulerstack.drawing import Drawing, NoLayoutEngineError, draw, draw_pair
from eulerstack.drawing import layout as layout_file
from eulerstack.drawing.boxes import MARKS, SHAPES
from eulerstack.ir import count
from eulerstack.ir.caches import cache_bytes
from eulerstack.ir.cost import cost
from eulerstack.results.unfolding import unfoldable
from tests.runtime.models.building import to_ir
from tests.runtime.models.layers import attention, hyper, layer, mamba, moe
from tests.runtime.models.sections import columns, gated, integrator, spec, streams
from tests.runtime.models.specs import SPECS

SVG = "{http://www.w3.org/2000/svg}"


def words(picture: Drawing) -> list[str]:
    return ["".join(text.itertext()) for text in ET.fromstring(picture.svg).iter(f"{SVG}text")]


def test_a_model_from_input_to_head():
    model = to_ir(
        spec(
            {"full": layer(), "local": layer(attention(window=8))},
            [{"group": [{"template": "full"}, {"template": "local", "repeat": 3}], "repeat": 6}],
        )
    )
    found = words(draw(model))
    assert {"embedding", "×6"} <= set(found)
    assert "local ×3" in found
    assert "attention 4:4 · window 8" in found
    assert found.index("full") < found.index("local ×3") < found.index("causal_lm")


def test_streams_integrators_and_badges():
    templates = {"a": layer(), "b": hyper(layer(attention(window=7)))}
    model = to_ir(
        spec(
            templates,
            [
                streams({"type": "cross_attn", "from": "local", "to": "wide"}),
                integrator("ode_rk4", steps=3, body="a"),
                gated("a"),
                {"template": "a", "share": "s", "repeat": 2},
            ],
        )
    )
    found = words(draw(model))
    for expected in (
        "wide",
        "local",
        "merge: cross_attn local → wide",
        "MoD 0.5",
        "share: s",
        "rmsnorm pre · hyper_connection",
    ):
        assert expected in found
    for expected in ("parallel · ", "ode_rk4 · steps 3 · "):
        assert any(word.startswith(expected) for word in found)


@pytest.mark.parametrize("name", SPECS)
def test_every_kind_of_model_can_be_drawn(name):
    assert "<svg" in draw(to_ir(SPECS[name])).svg


def test_labels_in_korean_chinese_and_japanese_are_kept():
    found = words(draw(to_ir(spec({"디코더": layer(), "解码器": layer(attention(window=4)), "復号器": layer()}))))
    assert {"디코더", "解码器", "復号器"} <= set(found)


@pytest.mark.parametrize(("ending", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("dot", b"digraph")])
def test_formats(tmp_path, ending, start):
    path = tmp_path / f"picture.{ending}"
    draw(to_ir(SPECS["llama"])).write(path)
    assert path.read_bytes().startswith(start)
    with pytest.raises(ValueError, match="gif"):
        draw(to_ir(SPECS["llama"])).write(tmp_path / "picture.gif")


def test_without_a_layout_engine_the_dot_text_is_shown(monkeypatch):
    def nothing(dot: str, format: str) -> bytes:
        raise NoLayoutEngineError

    monkeypatch.setattr(layout_file, "render", nothing)
    assert "<pre>digraph" in draw(to_ir(SPECS["llama"]))._repr_html_()


def test_pygraphviz_draws_where_there_is_no_system_dot(monkeypatch):
    monkeypatch.setattr(layout_file.shutil, "which", lambda name: None)
    assert "embedding" in words(draw(to_ir(SPECS["llama"])))


def test_drawing_loads_no_torch():
    code = "import sys, eulerstack.drawing; print([m for m in ('torch', 'transformers', 'numpy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
    assert drawing.draw


def test_parameters_and_cache_stand_beside_a_block():
    model = to_ir(
        spec({"full": layer(), "scan": layer(mamba())}, [{"template": "full", "repeat": 2}, {"template": "scan"}])
    )
    full, _, scan = count(model).per_layer
    key_values = cache_bytes(model, 1)[0]
    state = cache_bytes(model, 0)[2]
    found = " ".join(words(draw(model)))
    assert f"2 × {full / 1000:.3g}K" in found
    assert f"2 × {key_values} B/token" in found
    assert f"{scan / 1000:.3g}K" in found
    assert f"{state / 1024:.3g} KiB" in found
    assert draw(model, cost(model)).dot == draw(model).dot


def test_badges_for_experts_and_hyper_connections():
    found = words(draw(to_ir(spec({"a": layer(ffn=moe()), "b": hyper(layer())}))))
    assert {"MoE", "birkhoff × 2"} <= set(found)


FOUR = {name: layer(attention(window=window)) for name, window in zip("abcd", (4, 5, 6, 7), strict=True)}


def test_columns_and_their_edges():
    plain = spec(FOUR, tissue=columns("chain", 0.5, a="a", b="b", c="c"))
    for column, role in zip(plain["tissue"]["columns"], ("sensory", "memory", "my own"), strict=True):
        column["role"] = role
    picture = draw(to_ir(plain))
    found = words(picture)
    assert {"tissue · chain · lateral_coef 0.5", "sensory", "memory", "my own", "column: a"} <= set(found)
    assert picture.dot.count("dir=both") == 2
    assert all(f"shape={shape}" in picture.dot for shape in (SHAPES["sensory"], SHAPES["memory"], "box"))
    silent = draw(to_ir({**plain, "tissue": {**plain["tissue"], "lateral_coef": 0.0}}))
    assert silent.dot.count("style=dashed") == 2


def test_an_unfolded_picture_has_every_layer():
    model = to_ir(spec({"a": layer()}, [{"template": "a", "repeat": 5}]))
    assert words(draw(model)).count("a ×5") == 1
    assert [word for word in words(draw(model, unfolded=True)) if "· a" in word] == [f"{n} · a" for n in range(5)]
    pair = draw_pair(model, model, unfolded=True)
    assert [word for word in words(pair) if "· a" in word].count("4 · a") == 2


def test_a_picture_opens_without_a_script_and_only_where_something_is_folded():
    model = to_ir(spec({"a": layer()}, [{"template": "a", "repeat": 5}]))
    folded, unfolded = draw(model), draw(model, unfolded=True)
    page = unfoldable(folded, unfolded)
    outer, inner = page.split("</summary>")
    assert folded.svg in outer
    assert unfolded.svg in inner
    assert "<details" in outer
    assert "script" not in page
    single = to_ir(spec({"a": layer()}, [{"template": "a"}]))
    assert unfoldable(draw(single), draw(single, unfolded=True)) == draw(single).inline
    inside = to_ir(spec({"a": layer()}, [integrator("ode_euler", steps=2, body=[{"template": "a", "repeat": 2}])]))
    assert draw(inside).folds
    assert not draw(inside, unfolded=True).folds


def test_two_models_side_by_side_with_what_differs_marked():
    before = to_ir(spec(FOUR, [{"template": name} for name in "abc"]))
    other = {**FOUR, "b": layer(attention(window=9))}
    after = to_ir(spec(other, [{"template": name} for name in "abcd"], model={"max_seq_len": 32}))
    dot = draw_pair(before, after).dot
    assert dot.count("~ window") == 2
    assert dot.count(f'COLOR="{MARKS["added"][1]}"') == 1
    assert dot.count(MARKS["removed"][1]) == 0
    found = words(draw_pair(before, after))
    assert {"max_seq_len 64", "max_seq_len 32"} <= set(found)
    assert MARKS["changed"][1] not in draw_pair(before, before).dot


def test_the_alternative_text_tells_the_boxes_in_order():
    model = to_ir(
        spec(
            {"full": layer(), "local": layer(attention(window=8))},
            [{"template": "full"}, {"template": "local", "repeat": 3}],
        )
    )
    expected = f"{model.name}: embedding, full (attention 4:4), local (attention 4:4 · window 8) ×3, causal_lm"
    assert draw(model).outline == expected
    assert ET.fromstring(draw(model).svg).get("aria-label") == expected
