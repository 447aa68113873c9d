"""Rows of `layer_schedule`, of the phases of generation, and of the tissue."""

from tests.keys.effects import cost, generation, handed_on, logits, loss, picture, shown, tokenizer_files
from tests.keys.layers import ACTIVATIONS
from tests.keys.rows import UNWRITTEN, Plain, of, one, put, row
from tests.runtime.models.layers import attention, layer
from tests.runtime.models.sections import TWO, columns, gated, integrator, phases, spec, streams

PLAIN = one()
MLP = one(layer(ffn={"type": "mlp"}))
ENTRY = spec(TWO, [{"template": "a"}, {"template": "b"}])
GATED = spec(TWO, [gated("b"), {"template": "a"}])
OVERRIDE = "layer_schedule.override"

ENTRIES = [
    *of("layer_schedule", logits, ENTRY, template=("a", "b")),
    *of("layer_schedule", cost, PLAIN, repeat=(1, 2)),
    *of("layer_schedule", cost, put(PLAIN, "layer_schedule.repeat", 2), share=(UNWRITTEN, "once")),
    row(
        "layer_schedule.kv_from", cost, PLAIN, [{"template": "a"}, {"template": "a"}],
        [{"template": "a"}, {"template": "a", "kv_from": -1}], at="layer_schedule",
    ),
    *of(OVERRIDE, logits, PLAIN, residual__scaling=(UNWRITTEN, 0.5), attention__window=(UNWRITTEN, 4)),
    *of(OVERRIDE, loss, PLAIN, attention__attn_drop=(UNWRITTEN, 0.5)),
    *of(OVERRIDE, logits, PLAIN, norm__type=("rmsnorm", "layernorm")),
    *of(OVERRIDE, logits, PLAIN, norm__position=("pre", "post", "sandwich", "output")),
    *of(OVERRIDE, logits, MLP, ffn__activation=ACTIVATIONS),
    *of("layer_schedule.depth_gating", logits, GATED, enabled=(True, False)),
    *of("layer_schedule.depth_gating", loss, GATED, capacity=(0.5, 0.25), router=("top_k", "learned_gate")),
]  # fmt: skip


def _side_by_side(merge: Plain) -> Plain:
    return spec(TWO, [streams(merge)])


ADDED = _side_by_side({"type": "add", "projection": False})
CROSSED = _side_by_side({"type": "cross_attn", "from": "local", "to": "wide"})
ENDS = [{"type": "cross_attn", "from": "local", "to": "wide"}, {"type": "cross_attn", "from": "wide", "to": "local"}]

STREAMS = [
    *of("layer_schedule.parallel", picture, ADDED, stream=("wide", "broad")),
    *of("layer_schedule.parallel", logits, ADDED, body=([{"template": "a"}], [{"template": "b"}])),
    row(
        "layer_schedule.merge.type", logits, ADDED,
        {"type": "add"}, {"type": "concat"}, {"type": "gated"}, ENDS[0], at="layer_schedule.merge",
    ),
    *of("layer_schedule.merge", logits, ADDED, projection=(True, False)),
    row("layer_schedule.merge.from", logits, CROSSED, *ENDS, at="layer_schedule.merge"),
    row("layer_schedule.merge.to", logits, CROSSED, *ENDS, at="layer_schedule.merge"),
]  # fmt: skip

STEPS = spec(TWO, [integrator("ode_euler", body="a")])

INTEGRATORS = [
    *of("layer_schedule.integrator", logits, STEPS, type=("discrete", "ode_euler", "ode_rk4"), steps=(2, 3)),
    *of("layer_schedule.integrator", logits, STEPS, body=("a", "b", [{"template": "a"}, {"template": "b"}])),
    *of("layer_schedule.integrator", loss, STEPS, output=("token", "hidden")),
    *of(
        "layer_schedule", cost, spec(TWO, [{"group": [{"template": "a"}], "repeat": 2}]),
        group=([{"template": "a"}], [{"template": "a"}, {"template": "b"}]),
    ),
]  # fmt: skip

PHASED = one(**phases({"max_tokens": 6}, {"max_tokens": 5}))
BYTE = one(model={"vocab_size": 300}, tokenizer_contract={"type": "byte", "pretrained": None})
TOLD = put(put(BYTE, "execution_modes", PHASED["execution_modes"]), "transition", {"type": "special_token"})
MODES = PHASED["execution_modes"]

PHASES = [
    *of("execution_modes", generation, PHASED, max_tokens=(6, 3)),
    *of("execution_modes", handed_on, PHASED, name=("one", "two"), per_token_rationale=(False, True)),
    *of("execution_modes", loss, PHASED, loss_weight=(1.0, 0.0)),
    *of("execution_modes", shown, PHASED, visible_to_user=(True, False)),
    # the first phase has no earlier one
    row(
        "execution_modes.kv_share", logits, PHASED,
        *([{**mode, "kv_share": shared} for mode in MODES] for shared in (False, True)), at="execution_modes",
    ),
    row(
        "transition.type", generation, PHASED,
        {"type": "budget_exhausted"}, {"type": "special_token", "token": "</think>"}, at="transition",
    ),
    *of("transition", tokenizer_files, TOLD, token=("</think>", "<turn>")),
]  # fmt: skip

FOUR = {name: layer(attention(window=window)) for name, window in zip("abcd", (4, 5, 6, 7), strict=True)}
ORDER = [{"group": [{"template": name} for name in "acbd"], "repeat": 2}]
TISSUE = spec(FOUR, ORDER, tissue=columns("ring", 0.7, a="a", b="b", c="c", d="d"))

TISSUES = [
    *of("tissue", logits, TISSUE, connectivity=("ring", "chain", "all_to_all", "none"), lateral_coef=(0.0, 0.7)),
    *of("tissue.columns", logits, put(TISSUE, "layer_templates.e", layer()), templates=(["a"], ["e"])),
    *of("tissue.columns", picture, TISSUE, name=("one", "two"), role=("motor", "memory")),
]

ROWS = [*ENTRIES, *STREAMS, *INTEGRATORS, *PHASES, *TISSUES]
