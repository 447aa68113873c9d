"""A scaling that says only its type and factor means what transformers makes of it."""

import pytest

from eulerstack.schema.rope_scaling import OWN, RopeScalingKeys, own_keys, resolve_rope_scaling


@pytest.mark.parametrize(
    ("keys", "resolved"),
    [
        ({}, {"type": "linear", "factor": 1.0}),
        ({"type": "dynamic", "factor": 2}, {"type": "dynamic", "factor": 2.0}),
        (
            {"type": "yarn", "factor": 4.0},
            {
                "type": "yarn",
                "factor": 4.0,
                "original_max_seq_len": 4096,
                "beta_fast": 32.0,
                "beta_slow": 1.0,
                "truncate": True,
            },
        ),
        (
            {"type": "llama3", "original_max_seq_len": 1024},
            {
                "type": "llama3",
                "factor": 4.0,
                "original_max_seq_len": 1024,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
            },
        ),
        (
            {"type": "longrope", "short_factor": [1.0], "long_factor": [2.0], "original_max_seq_len": 2048},
            {
                "type": "longrope",
                "factor": 2.0,
                "original_max_seq_len": 2048,
                "short_factor": [1.0],
                "long_factor": [2.0],
            },
        ),
    ],
)
def test_unwritten_keys(keys, resolved):
    read = RopeScalingKeys.model_validate(keys)
    assert resolve_rope_scaling(read, 4096) == resolved
    assert resolve_rope_scaling(RopeScalingKeys.model_validate(resolved), 4096) == resolved


def test_every_key_belongs_to_a_type():
    assert {"type", "factor"}.union(*(own_keys(kind) for kind in OWN)) == set(RopeScalingKeys.model_fields)
