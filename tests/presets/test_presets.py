"""What can be said of every preset without building it: valid, as large as announced, stable, described."""

from collections import Counter
from difflib import unified_diff
from functools import cache
from itertools import islice

import pytest

from eulerstack import api, i18n, preset_index
from eulerstack.diagnostics import Source
from eulerstack.ir import count
from eulerstack.schema.mixers import MIXERS, Branched
from tests.presets.golden import GOLDEN, render
from tests.presets.sizes import ACTIVE_TOLERANCE, SIZES, TOTAL_TOLERANCE

NAMES = preset_index.names()

load = cache(api.load)


def test_these_are_the_presets() -> None:
    assert len(NAMES) == 57
    levels = Counter(preset.level for preset in preset_index.presets())
    assert levels == {"beginner": 2, "intermediate": 3, "advanced": 5, "expert": 23, None: 24}
    assert set(NAMES) == SIZES.keys()
    assert {folder.name for folder in GOLDEN.iterdir() if folder.is_dir()} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_has_the_findings_that_it_announces_and_no_other(name: str) -> None:
    announced = api.preset(name).about.get("warnings", [])
    assert [finding.code for finding in load(name).findings] == announced


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is(name: str) -> None:
    preset = api.preset(name)
    assert load(name).model.name == name.replace("_", "-")
    assert preset.about["tier"] == preset.tier
    assert preset.about["papers"]
    assert preset.about["mirrors"]
    assert isinstance(preset.about["speculative"], bool)
    assert preset.level == (name.split("_")[1] if name.startswith("arch_") else None)
    for lang in i18n.LANGUAGES:
        assert i18n.catalogue(lang, "presets")[name]


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("_mini")])
def test_a_mini_stands_in_the_tier_of_what_it_mirrors(name: str) -> None:
    mirrored = preset_index.find(api.preset(name).about["mirrors"])
    assert api.preset(name).tier == (mirrored.tier if mirrored else 2)
    assert load(name).model.d_model in range(384, 513)


@pytest.mark.parametrize("name", NAMES)
def test_it_has_the_size_it_announces(name: str) -> None:
    model, size = load(name).model, SIZES[name]
    if size is None:
        assert model.target_params is None
        return
    totals = count(model)
    assert totals.total == pytest.approx(size.total, rel=TOTAL_TOLERANCE)
    assert model.target_params == pytest.approx(size.total)
    if size.active is not None:
        assert totals.active == pytest.approx(size.built_active or size.active, rel=ACTIVE_TOLERANCE)
    if size.built_active is not None:
        assert totals.active != pytest.approx(size.active, rel=ACTIVE_TOLERANCE), "no exception is needed"


@pytest.mark.parametrize("name", NAMES)
def test_lowering_ends_where_it_began(name: str) -> None:
    loaded = load(name)
    again = api.load(Source("again.yml", loaded.yaml))
    assert again.model == loaded.model
    assert again.yaml == loaded.yaml


@pytest.mark.parametrize("name", NAMES)
def test_golden_files_are_current(name: str) -> None:
    for file, text in render(name).items():
        before = (GOLDEN / name / file).read_text("utf-8")
        changes = unified_diff(before.splitlines(), text.splitlines(), file, "now", lineterm="", n=0)
        assert list(islice(changes, 40)) == [], "`make golden` and read the diff"


@pytest.mark.parametrize("lang", i18n.LANGUAGES)
def test_every_description_belongs_to_a_preset(lang: str) -> None:
    assert i18n.catalogue(lang, "presets").keys() == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_list_knows_mixers_and_size_without_the_schema(name: str) -> None:
    preset, model = api.preset(name), load(name).model
    mixers = [block.mixer for block in model.blocks]
    inner = [branch for mixer in mixers if isinstance(mixer, Branched) for branch in mixer.branches.values()]
    assert preset.mixers == {mixer.type for mixer in (*mixers, *inner)}
    assert preset.size == model.target_params


def test_a_list_can_ask_for_every_mixer() -> None:
    assert set(preset_index.MIXERS) == set(MIXERS)
