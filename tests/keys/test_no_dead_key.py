"""No key of the language is accepted and ignored: each changes what a model says, learns, generates, costs or tells.

The table stands beside this file, by section; `effects.py` says what may be seen of a model. A new key without a row
fails, and so does a new value of an enum.
"""

from itertools import combinations
from typing import Any

import pytest

from eulerstack.schema.describe import KeyRow, describe, every_path
from tests.keys import layers, mixers, root, schedules
from tests.keys.effects import Subject, differ, handed_on
from tests.keys.rows import UNWRITTEN, Row

ROWS = [*root.ROWS, *mixers.ROWS, *layers.ROWS, *schedules.ROWS]

ADVISORY = {
    **dict.fromkeys(
        (f"about.{name}" for name in ("summary", "tier", "level", "papers", "mirrors", "speculative", "warnings")),
        "what a catalogue of presets shows",
    ),
    "model.family_hint": "realism checks it against the mixers",
    "model.target_params": "realism checks it against the exact count",
    "execution_modes.name": "a name, for errors and for trainers",
    "execution_modes.per_token_rationale": "for trainers that write a thought at every token (Quiet-STaR)",
}
"""Keys that change nothing about a model, and what they are for. They are handed on in config.json."""

KNOWN: dict[str, KeyRow] = {
    known.path: known for path in reversed(["", *every_path()]) for known in describe(path).rows
}
"""Every key of the language by its path. Where one stands at several places (a branch has fewer), the first counts."""


def choices(known: KeyRow) -> set[Any]:
    """All that may stand at a key, where that is little; empty where it is not."""
    if known.range.startswith("= "):
        return {int(known.range.removeprefix("= "))}
    return {True, False} if known.type == "true | false" else set(known.choices)


def _params() -> list[Any]:
    marks = {True: [pytest.mark.slow], False: []}
    return [pytest.param(row, id=f"{row.key}: {row.effect.__name__}", marks=marks[row.slow]) for row in ROWS]


@pytest.mark.parametrize("row", _params())
def test_every_value_makes_a_difference(row: Row):
    first, *others = row.specs
    donor = Subject(first)
    seen = [row.effect(subject) for subject in (donor, *(Subject(plain, donor) for plain in others))]
    for (a, one), (b, two) in combinations(zip(row.values, seen, strict=True), 2):
        assert a != b
        assert differ(one, two), f"{row.key}: {a} and {b} do the same"


def test_the_table_has_every_key():
    sections = {path for path, known in KNOWN.items() if known.nested}
    fixed = {path for path, known in KNOWN.items() if len(choices(known)) == 1}
    assert KNOWN.keys() == set(every_path())
    assert KNOWN.keys() - {row.key for row in ROWS} - sections - fixed == set()
    assert {row.key for row in ROWS} <= KNOWN.keys()


def test_advisory_keys_are_listed_by_name():
    assert {row.key for row in ROWS if row.effect is handed_on} == ADVISORY.keys()


@pytest.mark.parametrize("key", sorted(key for key, known in KNOWN.items() if len(choices(known)) > 1))
def test_every_value_of_an_enum_stands_in_a_row(key: str):
    tried = {value for row in ROWS if row.key == key for value in row.values}
    assert tried - {UNWRITTEN} == choices(KNOWN[key])


@pytest.mark.parametrize("effect", sorted({row.effect for row in ROWS}, key=lambda effect: effect.__name__))
def test_what_is_equal_is_seen_as_equal(effect):
    plain = next(row.specs[-1] for row in ROWS if row.effect is effect and not row.slow)
    donor = Subject(plain)
    assert not differ(*(effect(subject) for subject in (donor, Subject(plain, donor))))
