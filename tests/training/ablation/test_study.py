import pytest

from eulerstack.diagnostics import EulerStackError, Source
from eulerstack.training.ablation.matching import base_model
from eulerstack.training.ablation.study import read_study
from eulerstack.training.tasks import MultiQueryRecall
from tests.training.ablation.specs import load

BEST = """
name: recall
specs: { attention: attention, retention: retention }
grid: { layer_schedule.0.repeat: [1, 3], model.norm_eps: [1.0e-5] }
tasks: { small: { task: mqar, pairs: 2 }, in_context_recall: }
match: { by: flops, size: retention }
lr: [1.0e-3, 1]
seeds: [0, 1]
epochs: 2
"""


def findings(text: str) -> list[tuple[str, int, int]]:
    with pytest.raises(EulerStackError) as raised:
        read_study(Source("study.yml", text))
    return [(d.code, d.span.line, d.span.column) for d in raised.value.diagnostics if d.span]


def test_tasks_have_the_authors_names_and_the_published_settings() -> None:
    study = read_study(Source("study.yml", BEST))
    assert list(study.tasks) == ["small", "in_context_recall"]
    assert study.tasks["small"] == MultiQueryRecall(pairs=2)
    assert study.steps(study.tasks["small"]) == 2 * (100_000 // 128)


def test_the_grid_makes_a_variant_of_each_spec_at_each_point() -> None:
    variants = list(read_study(Source("study.yml", BEST)).variants())
    assert [variant.name for variant in variants] == [
        "attention (repeat=1, norm_eps=1e-05)",
        "attention (repeat=3, norm_eps=1e-05)",
        "retention (repeat=1, norm_eps=1e-05)",
        "retention (repeat=3, norm_eps=1e-05)",
    ]


def test_a_variant_has_what_the_grid_says() -> None:
    study = read_study(Source("study.yml", BEST))
    one, three, *_ = (base_model(study, variant, load) for variant in study.variants())
    assert (len(one.schedule), len(three.schedule)) == (1, 3)


def test_a_grid_key_that_leads_nowhere_is_an_error() -> None:
    text = BEST.replace("layer_schedule.0.repeat", "layer_schedule.7.repeat")
    study = read_study(Source("study.yml", text))
    with pytest.raises(EulerStackError) as raised:
        base_model(study, next(study.variants()), load)
    assert [d.code for d in raised.value.diagnostics] == ["study-grid"]


def test_a_spec_may_stand_in_the_study() -> None:
    text = "specs: { wide: { extends: arch_beginner_llama, model: { name: wide } } }\nshrink: true\ntasks: { mqar: }\n"
    study = read_study(Source("study.yml", text))
    assert base_model(study, next(study.variants()), load).name == "wide-tiny"


def test_every_fault_is_told_with_its_place() -> None:
    text = "specs: { a: attention }\ntask: {}\ntasks: { mqar: }\nlr: [0]\nbatch: many\nmatch: { by: size }\n"
    assert sorted(findings(text), key=lambda found: found[1]) == [
        ("study-key", 2, 1),
        ("study-value", 4, 6),
        ("study-value", 5, 8),
        ("study-value", 6, 14),
    ]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("specs: { a: b }\n", "study-missing"),
        ("tasks: { mqar: }\n", "study-missing"),
        ("specs: { a: b }\ntasks: { mqr: }\n", "study-task"),
        ("specs: { a: b }\ntasks: { mqar: { pair: 2 } }\n", "study-key"),
        ("specs: { a: b }\ntasks: { mqar: { pairs: two } }\n", "study-value"),
        ("specs: { a: b }\ntasks: { mqar: { pairs: 2.5 } }\n", "study-value"),
        ("specs: { a: b }\ntasks: { mqar: { length: -64 } }\n", "study-value"),
        ("specs: { a: b }\ntasks: { mqar: { pairs: 40 } }\n", "study-impossible"),
        ("specs: { a: b }\ntasks: { mqar: }\nsteps: 3\nepochs: 2\n", "study-two-budgets"),
        ("specs: { a: b }\ntasks: { mqar: }\nmatch: { size: c }\n", "study-size"),
        ("specs: { a: b }\ntasks: { mqar: }\nseeds: []\n", "study-value"),
        ("specs: [a]\ntasks: { mqar: }\n", "study-value"),
        ("specs: { a: b }\ntasks: { mqar: }\nstop_above: 2\n", "study-value"),
    ],
)
def test_wrong_studies(text: str, code: str) -> None:
    assert [found[0] for found in findings(text)] == [code]
