"""Folding finds the pattern a person would name, gives the schedule back, and is fast."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eulerstack.ir import Layer, Run, fold, unfold


def schedule(text: str) -> tuple[Layer, ...]:
    return tuple(Layer(block=symbol) for symbol in text)


def shown(runs: tuple[Run, ...]) -> str:
    return " ".join(_shown(run) for run in runs)


def _shown(run: Run) -> str:
    body = run.leaf.block if run.leaf is not None else f"({shown(run.runs)})"
    return body if run.repeat == 1 else f"{body}×{run.repeat}"


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("L" * 24, "L×24"),
        ("LSSS" * 6, "(L S×3)×6"),
        ("S" + "LSSS" * 6, "S (L S×3)×6"),
        ("SSSL" * 6 + "S", "(S×3 L)×6 S"),
        ("AABA" * 3, "(A×2 B A)×3"),
        ("ABABABC" * 2, "((A B)×3 C)×2"),
        ("AA" + "BC" * 10 + "AAA", "A×2 (B C)×10 A×3"),
        ("ABC", "A B C"),
        ("", ""),
    ],
)
def test_the_pattern_is_found(text, folded):
    assert shown(fold(schedule(text))) == folded


@given(st.text("AB", max_size=60) | st.text("ABCD", max_size=30).map(lambda text: text * 3))
def test_unfolding_gives_the_schedule_back(text):
    runs = fold(schedule(text))
    assert unfold(runs) == schedule(text)
    assert sum(run.length for run in runs) == len(text)


@given(st.text("AB", min_size=1, max_size=12), st.integers(2, 50))
def test_a_repeated_text_is_never_longer_than_its_period(text, repeat):
    assert len(fold(schedule(text * repeat))) <= len(fold(schedule(text)))


@pytest.mark.parametrize(
    "text",
    [
        "A" * 10_000,
        "A" * 5_000 + "B" + "A" * 4_999,
        ("LSSS" * 6 + "X") * 400,
        "".join(random.Random(0).choices("AB", k=10_000)),
    ],
    ids=["one", "broken", "nested", "random"],
)
def test_ten_thousand_layers_fold_in_seconds(text):
    began = time.perf_counter()
    runs = fold(schedule(text))
    assert time.perf_counter() - began < 10
    assert unfold(runs) == schedule(text)
