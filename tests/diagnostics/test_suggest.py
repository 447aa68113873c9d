"""The nearest word."""

import time

import pytest

from eulerstack.diagnostics import nearest

KEYS = ["activation", "bias", "d_ff", "moe", "type", "n_heads"]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("activaton", "activation"),
        ("Type", "type"),
        ("n_head", "n_heads"),
        ("zzz", None),
        ("", None),
        ("x" * 10_000, None),
        ("moe", "moe"),
    ],
)
def test_nearest(word: str, expected: str | None) -> None:
    assert nearest(word, KEYS) == expected


def test_many_candidates_cost_little() -> None:
    started = time.perf_counter()
    nearest("some_key", (f"key_number_{n}" for n in range(100_000)))
    assert time.perf_counter() - started < 5
