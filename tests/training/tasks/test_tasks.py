"""Each task against a naive solver that only reads the row: all that is asked is there; guessing scores as stated."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from eulerstack import i18n
from eulerstack.diagnostics import ValidationError
from eulerstack.training.tasks import (
    IGNORED,
    TASKS,
    Compression,
    FuzzyRecall,
    ImpossibleTask,
    InContextRecall,
    Memorisation,
    MultiQueryRecall,
    NoisyRecall,
    SelectiveCopying,
    Task,
    Text,
    accuracy,
)
from eulerstack.training.tasks.task import distinct

ROWS = 200
SMALL = {"mqar": MultiQueryRecall(vocab_size=64, length=32, pairs=4)}
NAMES = [name for name in TASKS if name != "text"]
EVERY = [SMALL.get(name, TASKS[name]()) for name in NAMES]


def solve_recall(task: InContextRecall, row: list[int]) -> list[int]:
    """After a key the value that stood behind it last."""
    clean = task.vocab_size - task.noise_tokens
    values: dict[int, int] = {}
    answers = []
    for place, token in enumerate(row):
        answers.append(values.get(token, 0))
        if place % 2 and row[place - 1] < clean // 2:
            values[row[place - 1]] = token
    return answers


def solve_fuzzy(task: FuzzyRecall, row: list[int]) -> list[int]:
    """Where the last three key tokens, and what of the value is out, stood before: what followed there."""
    keys = (task.vocab_size - 1) // 2
    answers = [0] * len(row)
    for place in range(len(row)):
        start = place
        while start and row[start] >= keys:
            start -= 1
        pattern = row[start - task.motif + 1 : place + 1]
        for earlier in range(place - len(pattern), -1, -1):
            if row[earlier : earlier + len(pattern)] == pattern:
                answers[place] = row[earlier + len(pattern)]
                break
    return answers


def solve_copying(task: SelectiveCopying, row: list[int]) -> list[int]:
    payload = [token for token in row if token < task.vocab_size - 2]
    return [0] * (len(row) - len(payload)) + payload


def solve_compression(task: Compression, row: list[int]) -> list[int]:
    return row


def solve_memorisation(task: Memorisation, row: list[int]) -> list[int]:
    """The map as the training labels tell it."""
    told = task.examples(2000, 5, "train")
    value_of = dict(zip(told.inputs[:, ::2].flat, told.labels[:, 1::2].flat, strict=True))
    return [value_of.get(row[place - 1], 0) for place in range(len(row))]


def solve_multi_query(task: MultiQueryRecall, row: list[int]) -> list[int]:
    shown = row[: 2 * task.pairs]
    return [dict(zip(shown[::2], shown[1::2], strict=True)).get(token, 0) for token in row]


SOLVERS: dict[type[Task], Callable[..., list[int]]] = {
    InContextRecall: solve_recall,
    NoisyRecall: solve_recall,
    FuzzyRecall: solve_fuzzy,
    SelectiveCopying: solve_copying,
    Compression: solve_compression,
    Memorisation: solve_memorisation,
    MultiQueryRecall: solve_multi_query,
}


@pytest.mark.parametrize("task", EVERY, ids=NAMES)
def test_who_reads_the_row_gets_everything_right(task: Task) -> None:
    rows = 20 if isinstance(task, Memorisation) else ROWS
    test = task.examples(rows, 0, "test")
    answers = np.array([SOLVERS[type(task)](task, row) for row in test.inputs.tolist()])
    assert accuracy(answers, test.labels) == 1.0


@pytest.mark.parametrize("task", EVERY, ids=NAMES)
def test_guessing_among_the_possible_answers_scores_chance(task: Task) -> None:
    test = task.examples(1000, 0, "test")
    asked = test.labels != IGNORED
    rng = np.random.default_rng(1)
    if isinstance(task, MultiQueryRecall):
        choice = rng.integers(0, task.pairs, test.labels.shape)
        guesses = np.take_along_axis(test.inputs[:, 1 : 2 * task.pairs : 2], choice[:, : task.length], axis=1)
    else:
        guesses = rng.choice(np.unique(test.labels[asked]), test.labels.shape)
    error = (task.chance * (1 - task.chance) / asked.sum()) ** 0.5
    assert accuracy(guesses, test.labels) == pytest.approx(task.chance, abs=5 * error)


@pytest.mark.parametrize("task", EVERY, ids=NAMES)
def test_rows_depend_on_seed_and_split_alone(task: Task) -> None:
    first, again = task.examples(30, 3, "train"), task.examples(30, 3, "train")
    assert np.array_equal(first.inputs, again.inputs)
    assert np.array_equal(first.labels, again.labels)
    assert not np.array_equal(first.inputs, task.examples(30, 4, "train").inputs)
    assert not np.array_equal(first.inputs, task.examples(30, 3, "test").inputs)


@pytest.mark.parametrize("task", EVERY, ids=NAMES)
@pytest.mark.parametrize("split", ["train", "test"])
def test_tokens_are_in_the_vocabulary_and_something_is_asked_of_every_row(task: Task, split: str) -> None:
    examples = task.examples(ROWS, 0, split)
    assert examples.inputs.shape == examples.labels.shape == (ROWS, task.length)
    assert 0 <= examples.inputs.min() <= examples.inputs.max() < task.vocab_size
    asked = examples.labels[examples.labels != IGNORED]
    assert 0 <= asked.min() <= asked.max() < task.vocab_size
    assert (examples.labels != IGNORED).any(axis=1).all()


@pytest.mark.parametrize("task", [InContextRecall(), NoisyRecall()], ids=["clean", "noisy"])
def test_recall_trains_on_every_next_token_and_scores_values_of_keys_seen_before(task: InContextRecall) -> None:
    train, test = task.examples(ROWS, 0, "train"), task.examples(ROWS, 0, "test")
    assert np.array_equal(train.labels[:, :-1], train.inputs[:, 1:])
    keys = (task.vocab_size - task.noise_tokens) // 2
    for row, labels in zip(test.inputs.tolist(), test.labels.tolist(), strict=True):
        seen = {}
        for place in range(0, task.length, 2):
            key, value = row[place : place + 2]
            expected = value if key < keys and key in seen else IGNORED
            assert labels[place : place + 2] == [expected, IGNORED]
            seen[key] = value
        assert labels[-2] != IGNORED


def test_a_fifth_of_the_pairs_is_noise() -> None:
    inputs = NoisyRecall().examples(1000, 0, "train").inputs
    assert (inputs >= 16).mean() == pytest.approx(0.2, abs=0.01)


def test_fuzzy_test_keys_have_the_largest_size_and_training_keys_every_size() -> None:
    task = FuzzyRecall()
    keys = (task.vocab_size - 1) // 2

    def sizes(split: str) -> set[int]:
        found = set()
        for row in task.examples(50, 0, split).inputs.tolist():
            run = 0
            for token in row:
                if token < keys:
                    run += 1
                elif run:
                    found.add(run)
                    run = 0
        return found

    assert sizes("test") == {3}
    assert sizes("train") == {1, 2, 3}


def test_the_payload_may_stand_anywhere_before_the_question() -> None:
    task = SelectiveCopying(length=32, copy=4)
    inputs = task.examples(4000, 0, "train").inputs
    payload = inputs[:, :27] < task.vocab_size - 2
    assert (payload.sum(axis=1) == 4).all()
    assert np.abs(payload.mean(axis=0) - 4 / 27).max() < 0.03
    assert (inputs[:, 27] == task.vocab_size - 1).all()
    assert (inputs[:, 28:] == task.vocab_size - 2).all()


def test_noise_is_not_asked_back_from_a_compressed_row() -> None:
    task = Compression(vocab_size=32, noise_tokens=16, noise=0.5)
    test = task.examples(200, 0, "test")
    noisy = (test.inputs >= 15) & (test.inputs < 31)
    assert 0.4 < noisy.mean() < 0.6
    assert (test.labels[noisy] == IGNORED).all()
    assert (test.labels[:, :-1][~noisy[:, :-1]] != IGNORED).all()
    assert (test.labels[:, -1] == IGNORED).all()


def test_the_map_to_memorise_is_one_to_one_and_stays() -> None:
    task = Memorisation()
    assert len(set(task.value_of.tolist())) == len(task.value_of) == 127
    assert np.array_equal(task.value_of, Memorisation().value_of)
    assert not np.array_equal(task.value_of, Memorisation(map_seed=1).value_of)


def test_multi_query_recall_asks_every_key_once_mostly_soon() -> None:
    task = MultiQueryRecall(vocab_size=512, length=64, pairs=4)
    test = task.examples(2000, 0, "test")
    assert ((test.labels != IGNORED).sum(axis=1) == 4).all()
    keys, values = test.inputs[:, 0:8:2], test.inputs[:, 1:8:2]
    assert all(len(set(row)) == 4 for row in keys.tolist())
    assert keys.min() >= 1
    assert keys.max() < 256 <= values.min()
    asked = (test.labels != IGNORED).mean(axis=0)
    assert (asked[:8] == 0).all()
    assert (asked[9::2] == 0).all()
    assert asked[8] > asked[10] > asked[20]


def test_the_first_slot_follows_the_power_law() -> None:
    """One pair draws one slot, with exactly the law's probabilities."""
    test = MultiQueryRecall(vocab_size=64, length=16, pairs=1).examples(20_000, 0, "test")
    weights = np.arange(1, 8) ** -0.99
    assert (test.labels[:, 2::2] != IGNORED).mean(axis=0) == pytest.approx(weights / weights.sum(), abs=0.012)


def test_distinct_numbers_are_uniform() -> None:
    drawn = distinct(np.random.default_rng(0), 12_000, 4, 2)
    pairs, counts = np.unique(drawn, axis=0, return_counts=True)
    assert len(pairs) == 12
    assert counts / 12_000 == pytest.approx(1 / 12, abs=0.01)


def test_text_asks_for_the_next_byte_of_documents_held_out_or_not(tmp_path: Path) -> None:
    for index in range(32):
        (tmp_path / f"{index:02}.txt").write_text("ab" * 40 if index % 16 else "xyz" * 40)
    task = Text(data=str(tmp_path), length=16)
    train, test = task.examples(50, 0, "train"), task.examples(50, 0, "test")
    assert np.array_equal(train.labels[:, :-1], train.inputs[:, 1:])
    assert set(train.inputs.flat) == {*b"ab", 256}
    assert set(test.inputs.flat) == {*b"xyz", 256}
    assert np.array_equal(train.inputs, task.examples(50, 0, "train").inputs)
    assert task.chance > np.log(257)  # who never saw x, y and z holds them for rarer than any byte
    with pytest.raises(ValidationError, match="4000"):
        Text(data=str(tmp_path), length=4000).examples(1, 0, "test")


@pytest.mark.parametrize(
    ("task", "settings"),
    [
        (InContextRecall, {"length": 127}),
        (InContextRecall, {"vocab_size": 3}),
        (InContextRecall, {"noise": 0.2}),
        (FuzzyRecall, {"vocab_size": 6}),
        (SelectiveCopying, {"length": 32}),
        (Compression, {"noise": 0.5}),
        (Memorisation, {"length": 33}),
        (MultiQueryRecall, {"pairs": 17}),
        (MultiQueryRecall, {"vocab_size": 9}),
        (Text, {"vocab_size": 256}),
    ],
)
def test_settings_without_a_task_are_refused(task: type[Task], settings: dict[str, float]) -> None:
    with i18n.speaking("en"), pytest.raises(ImpossibleTask, match=r"needed|must be even|below 1"):
        task(**settings)
