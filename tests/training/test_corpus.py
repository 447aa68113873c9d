import math

import pytest

from eulerstack.training.corpus import HELD_OUT_EVERY, standard_library, unigram_loss


def test_the_standard_library_reads_the_same_every_time_and_keeps_files_apart() -> None:
    corpus = standard_library(limit=300_000)
    assert corpus == standard_library(limit=300_000)
    assert set(corpus.train).isdisjoint(corpus.held_out)
    files = len(corpus.train) + len(corpus.held_out)
    assert len(corpus.held_out) == math.ceil(files / HELD_OUT_EVERY)


def test_it_stops_with_the_file_that_reaches_the_limit() -> None:
    short, long = standard_library(limit=200_000), standard_library(limit=400_000)
    assert long.train[: len(short.train)] == short.train
    size = sum(map(len, (*short.train, *short.held_out)))
    assert size >= 200_000
    assert size < sum(map(len, (*long.train, *long.held_out)))


def test_unigram_loss_of_even_tokens_is_the_logarithm_of_how_many() -> None:
    assert unigram_loss([0, 1, 2, 3] * 100, [3, 1, 0, 2], vocab_size=4) == pytest.approx(math.log(4))


def test_unigram_loss_counts_unseen_tokens_once() -> None:
    # counts + 1: token 0 has 4 of 6, token 1 has 1, token 2 has 1
    expected = -(math.log(4 / 6) + math.log(1 / 6)) / 2
    assert unigram_loss([0, 0, 0], [0, 2], vocab_size=3) == pytest.approx(expected)
