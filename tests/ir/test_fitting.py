"""Which change makes training fit, against the stated memory."""

from dataclasses import replace

import pytest

from eulerstack import api
from eulerstack.ir.cost import Workload
from eulerstack.ir.fitting import CHANGES, fitting
from eulerstack.ir.training_memory import training_memory

GIB = 2**30


@pytest.fixture(scope="module")
def model():
    return api.load("arch_beginner_llama").model


def load(model, **written) -> Workload:
    return Workload.of(model, **{"batch": 8, "seq": 2048, "dtype": "float32", "optimizer": "adamw", **written})


def test_what_fits_needs_no_remedy(model):
    fit = fitting(model, load(model), 10**13)
    assert fit.fits
    assert fit.remedies == ()


def test_a_single_change_comes_before_combinations(model):
    asked = load(model)
    only = training_memory(model, replace(asked, checkpointing=True)).total
    fit = fitting(model, asked, only)
    assert not fit.fits
    assert fit.remedies[0].changes == ("checkpointing",)
    assert all(len(remedy.changes) == 1 for remedy in fit.remedies)


def test_every_remedy_fits_and_fewer_changes_do_not(model):
    asked = load(model)
    fit = fitting(model, asked, 16 * GIB)
    assert fit.remedies
    for remedy in fit.remedies:
        assert remedy.memory == training_memory(model, remedy.workload)
        assert remedy.memory.total <= fit.available
        for undone in remedy.changes:
            back = replace(remedy.workload, **{undone: getattr(asked, undone)})
            assert training_memory(model, back).total > fit.available


def test_the_batch_is_the_largest_that_fits(model):
    asked = load(model, batch=64, **CHANGES)
    available = training_memory(model, replace(asked, batch=11)).total
    (remedy,) = fitting(model, asked, available).remedies
    assert remedy.changes == ("batch",)
    assert remedy.workload.batch == 11


def test_nothing_helps_where_the_weights_alone_are_too_large(model):
    assert fitting(model, load(model), GIB).remedies == ()
