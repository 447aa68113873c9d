import hashlib
import math
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from eulerstack import api
from eulerstack.training import fresh, quick
from eulerstack.training.corpus import Corpus
from eulerstack.training.curve import curve_svg
from eulerstack.training.report import Progress

LINES = "".join(f"def f{n}(x):\n    return x + {n}\n\n" for n in range(400))
CORPUS = Corpus(train=(LINES,), held_out=(LINES[-6000:],))


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled twin of a preset."""
    target = tmp_path_factory.mktemp("quick") / "model"
    api.compile(api.shrink("arch_beginner_llama").source, output_dir=target)
    return target


def digest(directory: Path) -> dict[str, str]:
    files = (path for path in sorted(directory.rglob("*")) if path.is_file())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_documents_are_packed_in_order_each_closed(directory: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(directory, trust_remote_code=True)
    packed = quick.pack(tokenizer, ["abc", "de", "fghij"], length=4, add_eos=True)
    ids = tokenizer("abc", add_special_tokens=False).input_ids
    assert packed.rows.shape == (3, 4)  # 10 bytes and 3 ends: the last end is left over
    assert packed.rows[0].tolist() == [*ids, tokenizer.eos_token_id]
    assert tokenizer.decode(packed.rows.flatten(), skip_special_tokens=True) == "abcdefghij"
    with pytest.raises(ValueError, match="fewer than one row"):
        quick.pack(tokenizer, ["abc"], length=8, add_eos=False)


def test_held_out_rows_come_from_all_over() -> None:
    rows = torch.arange(10)[:, None]
    assert quick.spread(rows, 3).flatten().tolist() == [0, 3, 6]
    assert quick.spread(rows, 99).flatten().tolist() == list(range(10))


def test_the_held_out_loss_is_the_mean_over_tokens_of_the_models_own_loss(directory: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(directory, trust_remote_code=True, dtype=torch.float32)
    rows = torch.randint(0, model.config.vocab_size, (11, 16), generator=torch.Generator().manual_seed(1))
    expected = model.eval()(input_ids=rows, labels=rows).loss.item()
    assert quick.held_out_loss(model, rows) == pytest.approx(expected, rel=1e-5)


def test_the_learning_rate_rises_then_falls_with_the_time_that_has_passed() -> None:
    clock = quick.Clock(10.0, quick.MANY, lambda progress: None)
    assert clock.factor(0) == pytest.approx(1 / quick.WARMUP_STEPS, rel=1e-2)
    assert clock.factor(quick.WARMUP_STEPS) == pytest.approx(1, rel=1e-2)
    clock.started -= 5
    assert clock.factor(1000) == pytest.approx((1 + quick.LR_FLOOR) / 2, rel=1e-2)
    assert quick.Clock(10.0, 100, clock.report).factor(100) == pytest.approx(quick.LR_FLOOR)
    clock.started -= 100
    assert clock.factor(1000) == pytest.approx(quick.LR_FLOOR)


@pytest.mark.slow
def test_fifty_steps_on_easy_text_teach_it_and_leave_the_directory_alone(directory: Path) -> None:
    before = digest(directory)
    told: list[Progress] = []
    outcome = quick.train(directory, seconds=300, steps=50, corpus=CORPUS, report=told.append)
    assert [progress.step for progress in told] == list(range(1, 51))
    assert outcome.steps == 50
    assert outcome.before == pytest.approx(math.log(259), rel=0.1)
    assert outcome.after < outcome.unigram
    assert outcome.learned
    assert outcome.sample.startswith("def ")
    assert digest(directory) == before


@pytest.mark.slow
def test_a_child_that_fails_tells_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ended with code 1"):
        fresh.train(tmp_path / "nothing", seconds=1)


@pytest.mark.slow
def test_a_run_ends_when_its_time_is_over(directory: Path) -> None:
    outcome = quick.train(directory, seconds=0.5, corpus=CORPUS)
    assert 0.5 <= outcome.seconds < 60
    assert outcome.steps >= 1


@pytest.mark.slow
def test_a_fresh_process_learns_from_the_standard_library(directory: Path) -> None:
    told: list[Progress] = []
    outcome = fresh.train(directory, seconds=300, steps=150, report=told.append)
    assert told[-1].step == outcome.steps == 150
    assert outcome.learned


def test_the_curve_is_well_formed_and_falls() -> None:
    steps = [Progress(step=n, elapsed=n / 10, loss=5 / (n + 1)) for n in range(5)]
    root = ElementTree.fromstring(curve_svg(steps))
    line = next(node for node in root if node.tag.endswith("polyline"))
    heights = [float(point.split(",")[1]) for point in line.attrib["points"].split()]
    assert heights == sorted(heights)
    assert len(heights) == 5
    assert ElementTree.fromstring(curve_svg([])) is not None
