"""Pictures: what they say, that they fold, and that they come with pip's packages alone."""

import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from eulerstack import drawing
from eulerstack.drawing import Drawing, NoLayoutEngineError, draw
from eulerstack.drawing import layout as layout_file
from tests.runtime.models import SPECS, attention, gated, hyper, integrator, layer, spec, streams, to_ir

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
        "parallel",
        "wide",
        "local",
        "merge: cross_attn local → wide",
        "ode_rk4 · steps 3",
        "MoD 0.5",
        "share: s",
        "rmsnorm pre · hyper_connection",
    ):
        assert expected in found


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
