"""Rows of a layer around its mixer, and of the feed-forward."""

from tests.keys.effects import corrected, cost, errors, far_logits, initialisation, kept, logits, loss, remembered
from tests.keys.mixers import KINDS
from tests.keys.rows import UNWRITTEN, of, one, row
from tests.runtime.models.layers import hyper, layer, mamba, moe, remembering
from tests.runtime.models.sections import spec

ACTIVATIONS = ("swiglu", "geglu", "silu", "gelu", "gelu_tanh", "relu", "relu2")

PLAIN = one()
MLP = one(layer(ffn={"type": "mlp"}))
ROUTED = one(layer(ffn=moe()))
EIGHT = one(layer(ffn=moe(experts=8, top_k=2, n_groups=4, balance={"group_limit": 2})))
SHARED = one(layer(ffn=moe(shared_experts=1)))
HASHED = one(layer(ffn=moe(routing={"type": "hash", "hash_salt": 1})))
DROPPING = one(layer(ffn=moe(capacity_drop_policy="drop")))
CORRECTED = one(layer(ffn=moe(bias_correction={"enabled": True, "update_rate": 0.1})))
PLACE = "ffn.moe"

FFN = [
    row("ffn.type", logits, PLAIN, {"type": "mlp"}, {"type": "gated_mlp"}, {"type": "none"}, moe(), at="ffn"),
    *of("ffn", logits, MLP, activation=ACTIVATIONS, bias=(False, True)),
    *of("ffn", cost, PLAIN, d_ff=(48, 64)),
]

ROUTER = [
    *of(PLACE, cost, ROUTED, experts=(4, 6)),
    *of(PLACE, logits, ROUTED, top_k=(2, 3), router=("softmax", "sigmoid"), norm_top_k=(True, False)),
    *of(PLACE, logits, ROUTED, affinity=("softmax", "sigmoid", "sqrt_softplus"), router_bias=(False, True)),
    *of(PLACE, logits, ROUTED, routed_scale=(1.0, 2.0)),
    *of(PLACE, logits, EIGHT, n_groups=(4, 2)),
    *of(f"{PLACE}.balance", logits, EIGHT, group_limit=(1, 2), group_score=("top2", "max")),
    *of(f"{PLACE}.balance", loss, ROUTED, sequence_aux_coef=(0.0, 1.0)),
    *of(PLACE, loss, ROUTED, z_loss=(0.0, 1.0), load_balance_coef=(UNWRITTEN, 1.0), router_jitter=(0.0, 0.5)),
    *of(PLACE, initialisation, ROUTED, router_init_std=(UNWRITTEN, 0.5)),
    *of(f"{PLACE}.bias_correction", corrected, CORRECTED, enabled=(True, False), update_rate=(0.1, 0.2)),
    *of(f"{PLACE}.bias_correction", corrected, CORRECTED, target_imbalance=(0.0, 0.3)),
    row(
        f"{PLACE}.routing.type", logits, ROUTED, {"type": "learned"}, {"type": "hash", "hash_salt": 1},
        at=f"{PLACE}.routing",
    ),
    *of(f"{PLACE}.routing", logits, HASHED, hash_salt=(1, 2)),
]  # fmt: skip

EXPERTS = [
    *of(PLACE, loss, DROPPING, capacity_factor=(1.0, 0.5), capacity_drop_policy=("overflow", "drop")),
    # the same numbers in static shapes
    *of(PLACE, kept, DROPPING, capacity_drop_policy=("drop", "pad")),
    *of(PLACE, cost, ROUTED, d_expert=(24, 32), shared_experts=(0, 1, 2)),
    *of(PLACE, cost, SHARED, d_shared=(24, 32)),
    *of(PLACE, logits, SHARED, shared_gate=(False, True)),
    *of(PLACE, logits, one(layer(ffn={**moe(), "activation": "silu"})), gated=(True, False)),
    *of(f"{PLACE}.gating", logits, ROUTED, limit=(UNWRITTEN, 0.05), slope=(1.0, 1.7), up_offset=(0.0, 1.0)),
]

NORM = [
    *of("norm", logits, PLAIN, type=("rmsnorm", "layernorm"), position=("pre", "post", "sandwich", "output")),
    *of("norm", logits, PLAIN, eps=(UNWRITTEN, 0.5), unit_offset=(False, True), affine=(True, False)),
]

RESIDUAL = [
    row(
        "residual.type", logits, PLAIN, {"type": "sequential"}, {"type": "parallel"},
        {"type": "hyper_connection", "hyper": {"expand": 2}}, at="residual",
    ),
    *of("residual", logits, PLAIN, scaling=(1.0, 0.5)),
    *of("residual.hyper", cost, one(hyper(layer())), expand=(2, 3)),
    *of("residual.hyper", logits, one(hyper(layer())), mixing=("birkhoff", "unconstrained", "learned_lowrank")),
    *of("residual.hyper", far_logits, one(hyper(layer())), sinkhorn_iters=(0, 1, 3)),
]  # fmt: skip

REMEMBERING, MATRIX = one(remembering("neural_memory")), one(remembering("associative"))

MEMORY = [
    *of(
        "memory", logits, one(remembering("retrieval", inner_lr=0.3)),
        type=("neural_memory", "associative", "retrieval"),
    ),
    *of("memory", logits, REMEMBERING, update_at_inference=(True, False), inner_lr=(0.3, 0.1)),
    *of("memory", remembered, MATRIX, persistence=("per_query", "session", "persistent")),
    *of("memory.params", cost, REMEMBERING, hidden=(12, 16)),
]  # fmt: skip

WIDENED = spec(
    {"a": layer(shape_change={"d_out": 16}), "b": layer(shape_change={"d_out": 32})},
    [{"template": "a"}, {"template": "b"}],
)

REST = [
    *of("state", errors, PLAIN, kv_cache=(True, False), ssm_state=(True, False)),
    *of("state", errors, one(layer(mamba())), kv_cache=(True, False), ssm_state=(True, False)),
    *of("shape_change", cost, WIDENED, d_out=(16, 24)),
    *of("shape_change", logits, WIDENED, projection=("linear", "conv1d", "mlp")),
    *of("ffn_factors", logits, PLAIN, gate=(1.0, 2.0), output=(1.0, 2.0)),
]

TEMPLATES = (
    *(layer(mixer) for mixer in KINDS),
    *(hyper(layer(), mixing) for mixing in ("birkhoff", "unconstrained", "learned_lowrank")),
    *(remembering(kind) for kind in ("neural_memory", "associative", "retrieval")),
    layer(residual={"type": "parallel"}),
    layer(ffn=moe(shared_experts=1)),
    layer(ffn=moe(routing={"type": "hash", "hash_salt": 1})),
)
"""Layers of every kind: what one reads of its surroundings, another might forget."""

EVERY_TEMPLATE = [
    found
    for template in TEMPLATES
    for found in (
        *of("residual", logits, one(template), scaling=(1.0, 0.5), slow=True),
        *of("norm", logits, one(template), type=("rmsnorm", "layernorm"), eps=(UNWRITTEN, 0.5), slow=True),
        *of(
            "norm", logits, one(template), position=("pre", "sandwich", "output"), unit_offset=(False, True), slow=True
        ),
        *of("ffn", logits, one(template), activation=("swiglu", "geglu", "relu"), bias=(False, True), slow=True),
        *of("training_hints", loss, one(template), dropout=(0.0, 0.5), slow=True),
    )
]

ROWS = [*FFN, *ROUTER, *EXPERTS, *NORM, *RESIDUAL, *MEMORY, *REST, *EVERY_TEMPLATE]
