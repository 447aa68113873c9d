"""Datasets of the hub, through the real `datasets` and a hub on this machine."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from eulerstack.diagnostics import EulerStackError
from eulerstack.training.data import open_source
from eulerstack.training.data import sources as module
from tests.training.data.hub import Files, hub

CODE = """
import json, sys
from eulerstack.diagnostics import EulerStackError
from eulerstack.training.data import open_source
told = []
for name, column in json.loads(sys.argv[1]):
    try:
        first, again = (open_source(name, column) for _ in range(2))
        digests = [first.digest, again.digest]
        told.append({"documents": list(first.documents()), "digests": digests})
    except EulerStackError as failure:
        told.append({"code": failure.diagnostics[0].code, "text": str(failure)})
print("\\n" + json.dumps(told))
"""


def lines(*texts: str, column: str = "text", **others: str) -> bytes:
    return "".join(json.dumps({column: text, **others}) + "\n" for text in texts).encode()


def table(*texts: str) -> bytes:
    target = io.BytesIO()
    parquet.write_table(
        pyarrow.table({"text": pyarrow.array(texts, pyarrow.large_string()), "n": [0] * len(texts)}), target
    )
    return target.getvalue()


CONFIGS = b"""---
configs:
- config_name: 2026.en
  data_files: [{split: train, path: en/train.jsonl}]
- config_name: 2026.ko
  data_files: [{split: train, path: ko/train.jsonl}]
---
"""
DATASETS: dict[str, Files] = {
    "org/plain-1.0": {"train.jsonl": lines("one", "two"), "test.jsonl": lines("judged by others")},
    "org/tables": {"data/train-00000-of-00001.parquet": table("row", "other row")},
    "org/languages": {"README.md": CONFIGS, "en/train.jsonl": lines("dog"), "ko/train.jsonl": lines("개")},
    "org/only-test": {"test.jsonl": lines("alone")},
    "org/no-train": {"test.jsonl": lines("a"), "validation.jsonl": lines("b")},
    "org/held-out": {
        "README.md": b"---\nconfigs:\n- config_name: default\n  data_files:\n  - {split: train, path: t.jsonl}\n"
        b"  - {split: held_out, path: h.jsonl}\n---\n",
        "t.jsonl": lines("seen"),
        "h.jsonl": lines("unseen"),
    },
    "org/two-columns": {"train.jsonl": lines("body", column="content", title="head")},
}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with hub(DATASETS) as address:
        yield address


def environment(endpoint: str, home: Path, *, offline: bool = False) -> dict[str, str]:
    """As a user has it, with this hub for the hub and caches of its own."""
    own = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    return own | {
        "HF_ENDPOINT": endpoint,
        "HF_HUB_OFFLINE": str(int(offline)),
        "HF_HOME": str(home / "hf"),
        "EULERSTACK_CACHE": str(home / "cache"),
    }


def asked(settings: dict[str, str], *names: tuple[str, str | None]) -> list[dict]:
    command = [sys.executable, "-c", CODE, json.dumps(names)]
    child = subprocess.run(command, env=settings, capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    return json.loads(child.stdout.splitlines()[-1])


@pytest.mark.slow
def test_what_is_read_of_a_dataset(endpoint: str, tmp_path: Path) -> None:
    cases: list[tuple[str, str | None, list[str]]] = [
        ("org/plain-1.0", None, ["one", "two"]),
        ("org/tables", None, ["row", "other row"]),
        ("org/languages:2026.ko", None, ["개"]),
        ("org/languages:2026.en", None, ["dog"]),
        ("org/only-test", None, ["alone"]),
        ("org/held-out", None, ["seen"]),
        ("org/two-columns", "content", ["body"]),
    ]
    found = asked(environment(endpoint, tmp_path), *((name, column) for name, column, _ in cases))
    assert [each.get("documents", each) for each in found] == [texts for *_, texts in cases]
    assert all(len(set(each["digests"])) == 1 for each in found)
    assert len({each["digests"][0] for each in found}) == len(cases)


@pytest.mark.slow
def test_what_cannot_be_read_is_told_in_three_lines(endpoint: str, tmp_path: Path) -> None:
    cases = [
        ("org/no-train", None, "data-split", "validation, test"),
        ("org/two-columns", None, "data-column", "content, title"),
        ("org/plain-1.0", "body", "data-column", "columns of text: text"),
        ("org/languages", None, "data-config", "2026.en, 2026.ko"),
        ("org/languages:de", None, "data-config", "--data 'org/languages:CONFIG'"),
        ("org/nothing", None, "data-unavailable", "org/nothing"),
    ]
    found = asked(environment(endpoint, tmp_path), *((name, column) for name, column, *_ in cases))
    assert [each.get("code", each) for each in found] == [code for *_, code, _ in cases]
    for each, (*_, words) in zip(found, cases, strict=True):
        assert words in each["text"]
        assert len(each["text"].splitlines()) == 3


@pytest.mark.slow
def test_without_a_network_a_command_ends_in_three_lines_unless_the_dataset_is_kept(
    endpoint: str, tmp_path: Path
) -> None:
    nobody = environment("http://127.0.0.1:9", tmp_path)  # the discard port, where nobody listens
    offline = environment(endpoint, tmp_path, offline=True)
    command = [sys.executable, "-m", "eulerstack", "data", "arch_beginner_llama", "--data", "org/plain-1.0"]
    for settings in (nobody, offline):
        child = subprocess.run(command, env=settings, capture_output=True, text=True)
        assert child.returncode == 2
        told = child.stderr.strip().splitlines()[-3:]
        assert told[0].startswith("CompileError: the dataset 'org/plain-1.0' could not be loaded: ")
        assert told[1].startswith("Fix: check the name and the network")
        assert told[2] == "See: eulerstack data --help"
        assert "Traceback" not in child.stderr
    first = asked(environment(endpoint, tmp_path), ("org/plain-1.0", None))
    assert first[0]["documents"] == ["one", "two"]
    assert asked(offline, ("org/plain-1.0", None)) == first


@pytest.mark.parametrize("name", ["corpus.txt", "a/b/corpus", "org/rows.jsonl", "./corpus", "/corpus", "x.parquet:en"])
def test_what_looks_like_a_file_is_not_looked_for_elsewhere(name: str) -> None:
    with pytest.raises(EulerStackError) as failure:
        open_source(name)
    assert failure.value.diagnostics[0].code == "data-missing"


@pytest.mark.parametrize(
    "name", ["wikitext", "org/dclm-baseline-1.0", "org/wikipedia:20231101.en", "c4:en.noblocklist"]
)
def test_dots_are_common_in_names_of_datasets(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_of_hub", lambda found, column: (found, column))
    assert open_source(name, "body") == (name, "body")
