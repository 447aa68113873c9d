"""What a key's type refuses: nothing is coerced, nothing unknown is taken."""

import pytest
from pydantic import ValidationError

from eulerstack.schema.facts import field_facts
from eulerstack.schema.ffn import FfnKeys
from eulerstack.schema.memory import MemoryKeys
from eulerstack.schema.mixers import MixerKeys
from tests.schema.parts import every_key

ROOTS = {"mixer": MixerKeys, "ffn": FfnKeys, "memory": MemoryKeys}
KEYS = {path: (owner, name) for prefix, keys in ROOTS.items() for path, owner, name in every_key(keys, prefix)}
WRONG = {
    "integer": ["64", 64.7, 64.0, True, 10**20, [64], {}],
    "number": ["0.5", True, float("nan"), float("inf"), [0.5]],
    "boolean": ["true", 1, 0, "yes"],
    "string": [1, True, "no such choice", ""],
    "mapping": [[], "x", 1, True],
}


def refusals(owner, name, value):
    """The locations that pydantic refuses when `name` of `owner` is `value`."""
    with pytest.raises(ValidationError) as refused:
        owner.model_validate({name: value})
    return [error["loc"][:1] for error in refused.value.errors() if error["type"] != "missing"]


@pytest.mark.parametrize("path", KEYS)
def test_a_value_of_another_type_is_refused(path):
    owner, name = KEYS[path]
    for value in WRONG[field_facts(owner, name).kind]:
        assert (name,) in refusals(owner, name, value), value


@pytest.mark.parametrize(
    "owner", list(dict.fromkeys(owner for owner, _ in KEYS.values())), ids=lambda owner: owner.__name__
)
def test_an_unknown_key_is_refused(owner):
    assert ("windwo",) in refusals(owner, "windwo", 1)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("mixer.attention.window", 0),
        ("mixer.attention.n_heads", -1),
        ("mixer.attention.attn_drop", 1.0),
        ("mixer.attention.attn_drop", -0.1),
        ("mixer.attention.scale", 0),
        ("mixer.attention.logit_softcap", -30.0),
        ("mixer.attention.attention_sinks.n_per_head", -1),
        ("mixer.ttt.inner_lr", 0.0),
        ("ffn.moe.experts", 0),
        ("ffn.moe.top_k", 0),
        ("ffn.moe.z_loss", -1e-3),
        ("ffn.moe.capacity_factor", 0.0),
        ("ffn.moe.shared_experts", -1),
        ("memory.inner_lr", -1.0),
    ],
)
def test_a_value_out_of_range_is_refused(path, value):
    owner, name = KEYS[path]
    assert (name,) in refusals(owner, name, value)


def test_branches_are_mixers_and_not_branched_again():
    with pytest.raises(ValidationError) as refused:
        MixerKeys.model_validate({"type": "branched", "branched": {"branches": {"a": {"type": "branched"}, "b": 3}}})
    places = {error["loc"] for error in refused.value.errors()}
    assert places == {("branched", "branches", "a", "type"), ("branched", "branches", "b")}
