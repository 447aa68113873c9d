import re
import xml.etree.ElementTree as ElementTree

import pytest

from eulerstack import i18n
from eulerstack.results.ablation import Ablation
from eulerstack.training.ablation.record import Findings, Judged, Run, Score, Sizes
from eulerstack.training.ablation.verdict import at_chance, concerns, mean_ranks, standings

MQAR = Judged(name="mqar", chance=0.25, asked=12_000, scored_by="accuracy", train=100_000, published_train=100_000)
TEXT = Judged(name="text", chance=3.0, asked=8_000, scored_by="loss", train=12_800, published_train=12_800)
RATES = (1e-4, 1e-3, 1e-2)


def score(value: float) -> Score:
    return Score(score=value, loss=1.0, steps=10, tokens=1000, seconds=2.0, memory=None, curve=((10, 1.0, value),))


def runs(spec: str, task: str, best: float, worse: float, *, params: int = 1000, jitter: float = 0.01) -> list[Run]:
    """Three seeds at three rates, the middle one best."""
    sizes = Sizes(params=params, flops=6000, state=64, width=8)
    mean = dict(zip(RATES, (worse, best, worse), strict=True))
    return [
        Run(spec=spec, task=task, lr=lr, seed=seed, sizes=sizes, score=score(mean[lr] + jitter * (seed - 1)))
        for lr in RATES
        for seed in range(3)
    ]


def study(*each: list[Run], tasks: tuple[Judged, ...] = (MQAR,), matched_by: str = "params") -> Findings:
    return Findings(name="recall", matched_by=matched_by, tasks=tasks, runs=tuple(run for one in each for run in one))


def keys(findings: Findings) -> list[str]:
    return [concern.key for concern in concerns(findings)]


def test_specs_are_ranked_by_their_best_rate_over_the_seeds() -> None:
    found = study(runs("b", "mqar", 0.5, 0.3), runs("a", "mqar", 0.9, 0.2))
    first, second = standings(found, MQAR)
    assert (first.spec, first.lr, first.seeds) == ("a", 1e-3, 3)
    assert (first.mean, first.spread) == pytest.approx((0.9, 0.01))
    assert (second.spec, second.mean) == ("b", pytest.approx(0.5))


def test_a_lower_loss_is_better() -> None:
    found = study(runs("b", "text", 2.5, 2.7), runs("a", "text", 2.0, 2.2), tasks=(TEXT,))
    first, second = standings(found, TEXT)
    assert (first.spec, second.spec) == ("a", "b")
    assert first.lr == 1e-3


def test_ranks_are_averaged_over_tasks() -> None:
    ahead, behind = (
        [runs("a", t, s, 0.3) for t, s in (("mqar", 0.9), ("text", 2.5))],
        [runs("b", t, s, 0.3) for t, s in (("mqar", 0.5), ("text", 2.9))],
    )
    flat = [run for each in (*ahead, *behind) for run in each if run.lr == 1e-3]
    assert mean_ranks(study(flat, tasks=(MQAR, TEXT))) == {"a": 1.0, "b": 2.0}


def test_a_study_that_is_large_enough_raises_no_concern() -> None:
    assert keys(study(runs("a", "mqar", 0.9, 0.4), runs("b", "mqar", 0.6, 0.4))) == []


def test_what_makes_a_study_too_small_is_told() -> None:
    sound = study(runs("a", "mqar", 0.9, 0.4), runs("b", "mqar", 0.6, 0.4))
    few = Findings(name="x", matched_by="", tasks=(MQAR,), runs=tuple(r for r in sound.runs if r.seed == 0))
    assert keys(few) == ["few-seeds"]
    one_rate = Findings(name="x", matched_by="", tasks=(MQAR,), runs=tuple(r for r in sound.runs if r.lr == 1e-3))
    assert keys(one_rate) == ["one-rate"]
    edge = Findings(name="x", matched_by="", tasks=(MQAR,), runs=tuple(r for r in sound.runs if r.lr != 1e-2))
    assert keys(edge) == ["edge"]
    assert keys(study(runs("a", "mqar", 0.9, 0.4), runs("b", "mqar", 0.25, 0.2))) == ["chance"]
    assert keys(study(runs("a", "mqar", 0.9, 0.4), runs("b", "mqar", 0.89, 0.4))) == ["tie"]
    assert keys(study(runs("a", "mqar", 0.9, 0.4), runs("b", "mqar", 0.6, 0.4, params=1200))) == ["uneven"]
    fewer = Judged(name="mqar", chance=0.25, asked=12_000, scored_by="accuracy", train=8192, published_train=100_000)
    assert keys(study(runs("a", "mqar", 0.9, 0.4), tasks=(fewer,))) == ["few-rows"]


def test_above_chance_means_more_than_three_standard_errors() -> None:
    error = (0.25 * 0.75 / MQAR.asked) ** 0.5
    assert at_chance(MQAR, 0.25 + 2.9 * error)
    assert not at_chance(MQAR, 0.25 + 3.1 * error)
    assert at_chance(TEXT, 3.0)
    assert not at_chance(TEXT, 2.9)


def failing() -> Findings:
    broken = [Run(spec="c", task="mqar", lr=1e-3, seed=0, failure="RuntimeError: <out of memory>")]
    return study(runs("a", "mqar", 0.9, 0.4), runs("b", "mqar", 0.6, 0.4), broken)


@pytest.mark.parametrize("lang", i18n.LANGUAGES)
def test_the_table_tells_ranks_scores_sizes_and_failures(lang: str) -> None:
    with i18n.speaking(lang):
        text = str(Ablation(failing()))
    assert "90.0% ± 1.0%" in text
    assert "RuntimeError: <out of memory>" in text
    assert not re.search(r"\{\w+\}|concern\.|column\.", text)
    rows = [line.split()[:2] for line in text.splitlines() if re.match(r"\d  ", line)]
    assert rows == [["1", "a"], ["2", "b"]]


def test_the_page_has_a_picture_for_each_measure() -> None:
    page = Ablation(failing()).page()
    pictures = re.findall(r"<svg.*?</svg>", page)
    assert len(pictures) == 5
    for picture in pictures:
        tree = ElementTree.fromstring(picture)
        assert len(tree.findall(".//{*}polyline")) == (3 if picture is pictures[0] else 2)
    assert "&lt;out of memory&gt;" in page


def test_a_machine_reads_every_run_and_the_ranking() -> None:
    plain = Ablation(failing()).to_dict()
    assert len(plain["runs"]) == 19
    assert [each["spec"] for each in plain["ranking"]["mqar"]] == ["a", "b", "c"]
    assert [each["key"] for each in plain["concerns"]] == ["failed"]


def test_a_run_survives_its_json() -> None:
    run = runs("a", "mqar", 0.9, 0.4)[0]
    assert Run.from_dict(run.to_dict()) == run
