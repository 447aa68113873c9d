"""Valid specs over the whole language, as plain mappings that an author could have written."""

from hypothesis import strategies as st

from eulerstack.ir.yaml_text import dump
from tests.strategies.choices import HEADS, WIDTHS, Draw, Frame, Plain, some, words
from tests.strategies.schedule import schedules
from tests.strategies.sections import abouts, embeddings, heads, models, phases, tissues, tokenizers
from tests.strategies.templates import templates
from tests.strategies.training import compatibilities, training_hints


@st.composite
def reserved(draw: Draw, spec: Plain) -> None:
    """Keys that nobody reads, in several places of the spec."""
    places = [spec, spec["model"], spec["layer_schedule"][0], *spec["layer_templates"].values()]
    for place in draw(st.lists(st.sampled_from(places), max_size=3)):
        place[draw(st.sampled_from(["experimental.x", "future.a.b", "vendor.lab.note"]))] = draw(words)


@st.composite
def specs(draw: Draw) -> Plain:
    """A whole valid spec."""
    d_model, n_heads = draw(st.sampled_from(WIDTHS)), draw(st.sampled_from(HEADS))
    positional = draw(st.sampled_from(["rope", "none", "alibi", "learned"]))
    embedding = draw(embeddings(positional, d_model // n_heads // 2))
    own_heads = embedding.get("rope_scaling", {}).get("type") != "longrope"
    frame = Frame(d_model, n_heads, positional, own_heads)
    names = draw(
        st.lists(st.sampled_from(["decoder", "decoder_2", "x.y", "local"]), min_size=1, max_size=3, unique=True)
    )
    pool = {name: draw(templates(frame)) for name in names}
    others: dict[str, Plain] = {}
    waist = None
    if draw(st.booleans()):
        waist = ("down", "up")
        for name, width in zip(waist, (draw(st.sampled_from(WIDTHS)), d_model), strict=True):
            shape = {"d_out": width} | some(draw, projection=st.sampled_from(["linear", "conv1d", "mlp"]))
            others[name] = draw(templates(frame)) | {"shape_change": shape}
    spec: Plain = {
        "schema_version": 1,
        "model": draw(models(frame)),
        "tokenizer_contract": draw(tokenizers()),
        "embedding": embedding,
        "layer_templates": pool | others,
        "layer_schedule": draw(schedules(pool, waist)),
        "head": draw(heads(pool)),
    }
    spec |= some(draw, training_hints=training_hints(), tissue=tissues(pool), compatibility=compatibilities())
    if draw(st.booleans()):
        spec |= draw(phases(pool | others))
    if draw(st.booleans()):
        spec["about"] = draw(abouts())
    draw(reserved(spec))
    return spec


def as_text(spec: Plain) -> str:
    """The spec as YAML."""
    return dump(spec)
