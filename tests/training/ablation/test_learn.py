from itertools import pairwise

import numpy as np
import pytest
import torch

from eulerstack import api
from eulerstack.training.ablation.learn import Learner, Plan, learn, orders, rate, shifted
from eulerstack.training.loaded import built
from eulerstack.training.tasks import IGNORED, Compression, Memorisation, MultiQueryRecall
from tests.training.ablation.specs import ATTENTION, RETENTION

SMALL = Memorisation(vocab_size=16, length=8, train=64, test=64)


def plan(**settings: object) -> Plan:
    return Plan(**{"steps": 60, "batch": 32, "weight_decay": 0.0, "stop_above": None} | settings)


@pytest.mark.slow
@pytest.mark.parametrize("text", [ATTENTION, RETENTION], ids=["attention", "retention"])
def test_a_small_map_is_memorised(text: str) -> None:
    score = learn(api.load(text).model, SMALL, plan(), lr=2e-2, seed=0)
    assert score.score > 0.95
    assert [step for step, _, _ in score.curve][-1] == 60


@pytest.mark.slow
def test_the_same_run_twice_is_the_same_and_stops_when_it_is_good() -> None:
    model = api.load(ATTENTION).model
    first, again = (learn(model, SMALL, plan(stop_above=0.9), lr=2e-2, seed=1) for _ in range(2))
    assert first.curve == again.curve
    assert first.steps < 60


@pytest.mark.slow
def test_a_row_is_compressed_through_its_last_state() -> None:
    task = Compression(vocab_size=5, length=4, train=256, test=256)
    score = learn(api.load(ATTENTION).model, task, plan(steps=200, batch=64), lr=1e-2, seed=0)
    assert score.score > 0.9


@pytest.mark.slow
def test_the_loss_of_what_is_asked_is_the_loss_that_a_trainer_computes() -> None:
    task = MultiQueryRecall(vocab_size=64, length=16, pairs=3)
    examples = task.examples(8, 0, "train")
    inputs, labels = torch.from_numpy(examples.inputs), torch.from_numpy(examples.labels)
    model = built(api.load(ATTENTION).model, 0)
    expected = model(**shifted(inputs, labels)).loss
    torch.testing.assert_close(Learner(model, task).loss(inputs, labels), expected)


def test_labels_move_to_where_transformers_wants_them() -> None:
    inputs, labels = torch.tensor([[5, 6, 7]]), torch.tensor([[IGNORED, 1, IGNORED]])
    assert shifted(inputs, labels)["labels"].tolist() == [[IGNORED, IGNORED, 1]]
    last = shifted(inputs, torch.tensor([[IGNORED, IGNORED, 2]]))
    assert (last["input_ids"].shape, last["labels"].tolist()) == ((1, 4), [[IGNORED, IGNORED, IGNORED, 2]])


def test_every_epoch_sees_every_row_in_an_order_of_its_own() -> None:
    steps = list(orders(10, plan(steps=5, batch=5), seed=0))
    first, second = np.concatenate(steps[:2]), np.concatenate(steps[2:4])
    assert sorted(first) == sorted(second) == list(range(10))
    assert first.tolist() != second.tolist()
    assert len(steps) == 5


def test_the_rate_rises_for_a_twentieth_of_the_steps_and_falls_to_nothing() -> None:
    factors = [rate(step, 100) for step in range(101)]
    assert factors[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert factors[5] == 1.0
    assert all(one >= two for one, two in pairwise(factors[5:]))
    assert factors[-1] == pytest.approx(0, abs=1e-9)
