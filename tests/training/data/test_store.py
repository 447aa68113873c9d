import json
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from eulerstack.diagnostics import EulerStackError
from eulerstack.training.data import Endless, Rows, Store, open_source, prepare, unigram_loss
from eulerstack.training.data import store as module
from tests.training.data.words import BOS, EOS, byte_tokenizer, write_documents


def stored(folder: Path, cache: Path, **keys) -> Store:
    return prepare(open_source(str(folder)), byte_tokenizer(), **{"add_eos": True, "cache": cache, **keys})


def test_documents_stand_in_a_row_each_begun_and_ended(tmp_path: Path) -> None:
    store = stored(write_documents(tmp_path / "text"), tmp_path / "cache")
    held_out = [index for index in range(40) if index % 16 == 0]
    for part, indices in ((store.held_out, held_out), (store.train, [i for i in range(40) if i not in held_out])):
        texts = [f"document {index}\n" * (index % 5 + 1) for index in indices]
        expected = [[BOS, *text.encode(), EOS] for text in texts]
        assert part.tokens.tolist() == list(chain.from_iterable(expected))
        assert part.starts.tolist() == np.cumsum([0, *map(len, expected[:-1])]).tolist()
        assert part.counts.tolist() == np.bincount(list(chain.from_iterable(expected))).tolist()
        assert part.bytes == sum(map(len, texts))
    assert store.train.tokens.dtype == np.uint16


def test_a_long_document_in_pieces_is_the_same_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "text.txt"
    path.write_text("".join(f"line number {n}\n" for n in range(300)) + "x" * 500, "utf-8")
    whole = stored(path, tmp_path / "one")
    monkeypatch.setattr(module, "BATCH_CHARACTERS", 100)
    pieces = stored(path, tmp_path / "two")
    assert pieces.train.tokens.tolist() == whole.train.tokens.tolist()
    assert pieces.held_out.starts.tolist() == whole.held_out.starts.tolist() == [0]


def test_the_second_time_nothing_is_tokenised(tmp_path: Path) -> None:
    folder = write_documents(tmp_path / "text")
    told: list[tuple[int, int]] = []
    first = stored(folder, tmp_path / "cache", report=lambda *step: told.append(step))
    assert told[-1] == (open_source(str(folder)).size,) * 2
    told.clear()
    assert stored(folder, tmp_path / "cache", report=lambda *step: told.append(step)).key == first.key
    assert not told
    assert stored(folder, tmp_path / "cache", add_eos=False).key != first.key
    other = prepare(open_source(str(folder)), byte_tokenizer(add_bos=False), add_eos=True, cache=tmp_path / "cache")
    assert other.key != first.key
    assert BOS not in other.train.tokens


def test_rows_reset_positions_and_predict_no_first_token_of_a_document(tmp_path: Path) -> None:
    store = stored(write_documents(tmp_path / "text"), tmp_path / "cache")
    rows = Rows(store.train, 32)
    assert len(rows) == len(store.train.tokens) // 32
    flat = {name: list(chain.from_iterable(rows[i][name].tolist() for i in range(len(rows)))) for name in rows[0]}
    starts = set(store.train.starts.tolist())
    position = 0
    for place, token in enumerate(flat["input_ids"]):
        position = 0 if place % 32 == 0 or place in starts else position + 1
        assert flat["position_ids"][place] == position
        assert flat["labels"][place] == (-100 if place in starts else token)


def test_rows_at_equal_distances(tmp_path: Path) -> None:
    rows = Rows(stored(write_documents(tmp_path / "text"), tmp_path / "cache").train, 16)
    spread = rows.spread(5)["input_ids"]
    assert [rows[i * len(rows) // 5]["input_ids"].tolist() for i in range(5)] == spread.tolist()
    assert len(rows.spread(10**6)["labels"]) == len(rows)


def test_every_epoch_sees_every_row_in_another_order(tmp_path: Path) -> None:
    rows = Rows(stored(write_documents(tmp_path / "text"), tmp_path / "cache").train, 64)

    def seen(seed: int, epoch: int) -> list[tuple[int, ...]]:
        order = Endless(rows, 3 * len(rows), seed)
        return [tuple(order[epoch * len(rows) + i]["input_ids"].tolist()) for i in range(len(rows))]

    everything = sorted(tuple(rows[i]["input_ids"].tolist()) for i in range(len(rows)))
    assert sorted(seen(1, 0)) == sorted(seen(1, 1)) == everything
    assert seen(1, 0) != seen(1, 1)
    assert seen(1, 0) != seen(2, 0)
    assert seen(1, 0) == seen(1, 0)


def test_a_vocabulary_that_is_too_small_and_a_text_that_is_too_short(tmp_path: Path) -> None:
    store = stored(write_documents(tmp_path / "text"), tmp_path / "cache")
    store.check_vocabulary(259)
    store.check_length(16)
    with pytest.raises(EulerStackError, match="258") as failure:
        store.check_vocabulary(258)
    assert len(str(failure.value).splitlines()) == 3
    with pytest.raises(EulerStackError, match="1000000"):
        store.check_length(10**6)


def test_a_text_with_nothing_in_it(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("", "utf-8")
    with pytest.raises(EulerStackError) as failure:
        stored(tmp_path / "empty.txt", tmp_path / "cache")
    assert failure.value.diagnostics[0].code == "data-empty"
    assert list((tmp_path / "cache" / "data").iterdir()) == []


def test_unigram_loss_counts_unseen_tokens_once() -> None:
    counts = np.array([3, 0, 0])
    assert unigram_loss(counts, np.array([0, 2])) == pytest.approx(-(math.log(4 / 6) + math.log(1 / 6)) / 2)
    assert unigram_loss(np.array([9, 9, 9, 9]), np.array([3, 1, 0, 2])) == pytest.approx(math.log(4))


SLOW_PREPARE = """
import sys, time
from pathlib import Path
from eulerstack.training.data import open_source, prepare
from tests.training.data.words import byte_tokenizer
import eulerstack.training.data.store as module

folder, cache = map(Path, sys.argv[1:])
module.BATCH_CHARACTERS = 50
def slowly(done, total):
    print(done, flush=True)
    time.sleep(0.2)
print(prepare(open_source(str(folder)), byte_tokenizer(), add_eos=True, cache=cache, report=slowly).key)
"""


@pytest.mark.slow
def test_a_killed_process_leaves_nothing_that_counts(tmp_path: Path) -> None:
    folder, cache = write_documents(tmp_path / "text"), tmp_path / "cache"
    command = [sys.executable, "-c", SLOW_PREPARE, str(folder), str(cache)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    child.stdout.readline()
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    left = list((cache / "data").iterdir())
    assert len(left) == 1  # what it wrote aside
    store = stored(folder, cache)
    assert len(store.train.tokens) == store.train.counts.sum()
    long_ago = time.time() - 2 * module.FORGOTTEN
    os.utime(left[0], (long_ago, long_ago))
    stored(folder, cache, add_eos=False)
    assert not left[0].exists()


@pytest.mark.slow
def test_two_processes_make_one_store(tmp_path: Path) -> None:
    folder, cache = write_documents(tmp_path / "text"), tmp_path / "cache"
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        keys = pool.starmap(_key_of, [(folder, cache)] * 2)
    assert keys[0] == keys[1]
    assert [path.name for path in (cache / "data").iterdir()] == [keys[0]]
    assert json.loads((cache / "data" / keys[0] / module.META).read_text("utf-8"))["train"]["tokens"]


def _key_of(folder: Path, cache: Path) -> str:
    return stored(folder, cache).key
