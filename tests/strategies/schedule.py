"""`layer_schedule`: templates repeated, shared, in parallel streams, integrated, grouped."""

from hypothesis import strategies as st

from tests.strategies.choices import ACTIVATIONS, NORMS, POSITIONS, Draw, Plain, fractions, positive, sizes, some


@st.composite
def overrides(draw: Draw, template: Plain) -> Plain:
    """`override`, of what the template has."""
    choices = {
        "residual.scaling": positive,
        "norm.type": st.sampled_from(NORMS),
        "norm.position": st.sampled_from(POSITIONS),
    }
    attention = template["mixer"].get("attention")
    if attention is not None:
        choices["attention.attn_drop"] = fractions
        if "window" in attention or not attention.keys() & {"window_mode", "compression"}:
            choices["attention.window"] = sizes
    if template["ffn"]["type"] != "none":
        choices["ffn.activation"] = st.sampled_from(ACTIVATIONS)
    keys = draw(st.sets(st.sampled_from(sorted(choices)), min_size=1))
    return {key: draw(choices[key]) for key in sorted(keys)}


@st.composite
def plain_entries(draw: Draw, pool: dict[str, Plain]) -> Plain:
    """A schedule entry that repeats a template."""
    name = draw(st.sampled_from(sorted(pool)))
    entry = {"template": name} | some(draw, repeat=st.integers(1, 4))
    if draw(st.booleans()):
        entry["override"] = draw(overrides(pool[name]))
    if not draw(st.integers(0, 3)):
        entry["depth_gating"] = some(
            draw, enabled=st.booleans(), capacity=st.sampled_from([0.25, 0.5]),
            router=st.sampled_from(["top_k", "learned_gate"]),
        )  # fmt: skip
    return entry


@st.composite
def shared_entries(draw: Draw, pool: dict[str, Plain]) -> Plain:
    """A schedule entry whose layers are one module, the same wherever its tag stands."""
    name = draw(st.sampled_from(sorted(pool)))
    return {"template": name, "share": f"all-{name}"} | some(draw, repeat=st.integers(1, 4))


@st.composite
def kv_entries(draw: Draw, pool: dict[str, Plain]) -> list[Plain]:
    """A layer, and layers that attend to its keys and values."""
    plain = [
        name
        for name, template in pool.items()
        if template["mixer"]["type"] == "attention"
        and not template["mixer"].get("attention", {}).keys() & {"mla", "latent_dim", "compression"}
    ]
    if not plain:
        return []
    name = draw(st.sampled_from(sorted(plain)))
    return [{"template": name}, {"template": name, "kv_from": -1, "repeat": draw(st.integers(1, 3))}]


@st.composite
def parallels(draw: Draw, pool: dict[str, Plain]) -> Plain:
    """A parallel entry."""
    kind = draw(st.sampled_from([None, "concat", "add", "gated", "cross_attn"]))
    names = ["left", "right"] + (["third"] if kind != "cross_attn" and draw(st.booleans()) else [])
    bodies = st.lists(plain_entries(pool), min_size=1, max_size=2)
    entry: Plain = {"parallel": [{"stream": name, "body": draw(bodies)} for name in names]}
    if kind:
        entry["merge"] = {"type": kind}
    if kind == "cross_attn":
        entry["merge"] |= {"from": "right", "to": "left"}
    if kind in ("add", "gated", "cross_attn"):
        entry["merge"] |= some(draw, projection=st.booleans())
    return entry


@st.composite
def integrators(draw: Draw, pool: dict[str, Plain]) -> Plain:
    """An integrator entry."""
    body = st.sampled_from(sorted(pool)) | st.lists(plain_entries(pool), min_size=1, max_size=2)
    return {
        "integrator": {
            "type": draw(st.sampled_from(["discrete", "ode_euler", "ode_rk4"])),
            "steps": draw(st.integers(1, 4)),
            "body": draw(body),
        }
        | some(draw, output=st.sampled_from(["token", "hidden"]))
    }


@st.composite
def schedules(draw: Draw, pool: dict[str, Plain], waist: tuple[str, str] | None, deep: int = 2) -> list[Plain]:
    """`layer_schedule`, or the inside of a group. `waist`: templates that narrow the stream and widen it again."""
    entries: list[Plain] = []
    for _ in range(draw(st.integers(1, 3))):
        match draw(st.sampled_from(["plain", "plain", "shared", "kv", "parallel", "integrator", "group", "waist"])):
            case "plain":
                entries.append(draw(plain_entries(pool)))
            case "shared":
                entries.append(draw(shared_entries(pool)))
            case "kv":
                entries += draw(kv_entries(pool))
            case "parallel":
                entries.append(draw(parallels(pool)))
            case "integrator":
                entries.append(draw(integrators(pool)))
            case "group" if deep:
                inner = draw(schedules(pool, waist, deep - 1))
                entries.append({"group": inner} | some(draw, repeat=st.integers(1, 3)))
            case "waist" if waist:
                inner = draw(st.lists(plain_entries(pool), max_size=2))
                entries += [{"template": waist[0]}, *inner, {"template": waist[1]}]
    return entries or [draw(plain_entries(pool))]
