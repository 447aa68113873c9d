"""Rotary positions of every kind, inside the trained length and beyond, against transformers."""

import random
from pathlib import Path

import pytest

from tests.interop.configs import MAX_LENGTH, ROPES, rope, settings
from tests.interop.models import assert_close, pair, tokens
from tests.interop.test_families import logits

ROPE_KEYS = ("rope_parameters", "rope_scaling", "rope_theta")


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ROPES)
def test_short_and_long_sequences(kind: str, seed: int, tmp_path: Path) -> None:
    config = {key: value for key, value in settings("llama", 0).items() if key not in ROPE_KEYS}
    made = pair("llama", config | rope(kind, random.Random(seed), config["head_dim"]), tmp_path)
    for length in (9, MAX_LENGTH + 11, 12):  # dynamic and longrope keep a state from one call to the next
        ids = tokens(1, length)
        assert_close(logits(made.twin, ids), logits(made.original, ids))
