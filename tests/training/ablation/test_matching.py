import pytest

from eulerstack.diagnostics import Source
from eulerstack.training.ablation.matching import Candidate, base_model, candidates
from eulerstack.training.ablation.study import read_study
from eulerstack.training.tasks import MultiQueryRecall, Task
from tests.training.ablation.specs import load

TASK = MultiQueryRecall(vocab_size=64, length=128, pairs=2)


def matched(match: str, task: Task = TASK) -> list[Candidate]:
    text = f"specs: {{ attention: attention, retention: retention }}\ntasks: {{ mqar: }}\n{match}\n"
    study = read_study(Source("study.yml", text))
    models = {variant.name: base_model(study, variant, load) for variant in study.variants()}
    return candidates(study, task, models, load)


def test_models_take_the_tasks_vocabulary_and_length() -> None:
    for candidate in matched(""):
        assert (candidate.model.vocab_size, candidate.model.max_seq_len) == (64, 128)
        assert candidate.sizes.width == 32


@pytest.mark.parametrize(("by", "near"), [("params", 0.03), ("flops", 0.1)])
def test_sizes_are_made_equal_to_the_first(by: str, near: float) -> None:
    task = MultiQueryRecall(vocab_size=64, length=16, pairs=2)
    first, second = (getattr(candidate.sizes, by) for candidate in matched(f"match: {{ by: {by} }}", task))
    assert second == pytest.approx(first, rel=near)
    assert first == getattr(matched("", task)[0].sizes, by)


def test_sizes_are_made_equal_to_a_number() -> None:
    assert [c.sizes.params for c in matched("match: { size: 60_000 }")] == pytest.approx([60_000] * 2, rel=0.03)


def test_states_are_made_equal_by_the_width() -> None:
    """The cache of 128 tokens against a state of d_model · head_dim numbers a layer."""
    attention, retention = matched("match: { by: state, size: attention }")
    assert attention.sizes.width == 32
    assert retention.sizes.width > 32
    assert retention.sizes.state == pytest.approx(attention.sizes.state, rel=0.5)
