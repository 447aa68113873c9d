"""The page of measurements says what was recorded, and all of it."""

import json
import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
RECORDS = sorted((ROOT / "docs" / "measured").glob("*.json"))


@pytest.fixture(scope="module")
def build() -> ModuleType:
    spec = spec_from_file_location("docs_build", ROOT / "docs" / "build.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.stem)
def test_a_record_is_of_a_benchmark_and_stands_on_every_page_as_it_was_printed(record: Path, build: ModuleType) -> None:
    assert (ROOT / "benchmarks" / f"{record.stem}.py").is_file()
    kept = json.loads(record.read_text("utf-8"))
    for lang in build.LANGUAGES:
        page = build.measured(lang)
        assert "```\n" + "\n".join(kept["output"]) + "\n```" in page
        facts = next(line for line in page.splitlines() if f"benchmarks/run.py {record.stem}`" in line)
        told = [kept[name] for name in ("date", "processor", "threads", "torch", "transformers")]
        assert [fact for fact in told if str(fact) not in facts] == []
        assert build.VERDICTS[lang][kept["met"]] in facts


def test_every_page_names_the_same_measurements_and_nothing_is_left_to_fill_in(build: ModuleType) -> None:
    named = {}
    for lang in build.LANGUAGES:
        template = (ROOT / "docs" / "pages" / f"measured.{lang}.md").read_text("utf-8")
        named[lang] = re.findall(r"\{\{ (\w+) \}\}", template)
        assert "{{" not in build.measured(lang)
    assert named["ko"] == named["en"]
    assert sorted(named["en"]) == [record.stem for record in RECORDS]


def test_a_missed_goal_is_told(build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "measured").mkdir()
    (tmp_path / "pages" / "measured.en.md").write_text("{{ bench_x }}\n")
    kept = json.loads(RECORDS[0].read_text("utf-8")) | {"met": False, "output": ["a: 0.5 x, goal 1.0"]}
    (tmp_path / "measured" / "bench_x.json").write_text(json.dumps(kept))
    monkeypatch.setattr(build, "HERE", tmp_path)
    page = build.measured("en")
    assert "goal missed" in page
    assert "a: 0.5 x, goal 1.0" in page
