import json
import sysconfig
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from eulerstack.diagnostics import EulerStackError
from eulerstack.training.corpus import LEFT_OUT, standard_library_files
from eulerstack.training.data import STANDARD_LIBRARY, open_source
from eulerstack.training.data import sources as module
from eulerstack.training.data.split import split


def code_of(failure: pytest.ExceptionInfo[EulerStackError]) -> str:
    return failure.value.diagnostics[0].code


def test_the_standard_library_is_mixed_and_has_neither_tests_nor_packages() -> None:
    files = standard_library_files()
    assert files == standard_library_files()
    root = Path(sysconfig.get_path("stdlib"))
    names = [path.relative_to(root) for path in files]
    assert {Path("ast.py"), Path("json", "decoder.py")} <= set(names)
    assert not any(LEFT_OUT & set(name.parts) for name in names)
    assert all(len({name.parts[0] for name in names[n : n + 16]}) > 4 for n in range(0, 160, 16))
    source = open_source(STANDARD_LIBRARY)
    assert list(source.documents()) == [path.read_text("utf-8", errors="replace") for path in files]


def test_a_folder_is_read_in_order_without_hidden_and_binary_files(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "b" / "two.md").write_text("zwei\n", "utf-8")
    (tmp_path / "a.txt").write_text("eins\n", "utf-8")
    (tmp_path / ".hidden.txt").write_text("nein", "utf-8")
    (tmp_path / ".git" / "config").write_text("nein", "utf-8")
    (tmp_path / "x.bin").write_bytes(b"MZ\0\0")
    (tmp_path / "c.jsonl").write_text('{"text": "drei"}\n\n"vier"\n{"n": 1, "text": "f\\ud800"}\n', "utf-8")
    assert list(open_source(str(tmp_path)).documents()) == ["eins\n", "zwei\n", "drei", "vier", "f?"]


def test_the_digest_follows_the_content_and_nothing_else(tmp_path: Path) -> None:
    one, two = tmp_path / "one.txt", tmp_path / "two.txt"
    one.write_text("abc", "utf-8")
    two.write_text("abc", "utf-8")
    assert open_source(str(one)).digest == open_source(str(two)).digest
    two.write_text("abd", "utf-8")
    assert open_source(str(one)).digest != open_source(str(two)).digest
    lines = tmp_path / "rows.jsonl"
    lines.write_text('{"a": "x", "b": "y"}\n', "utf-8")
    assert open_source(str(lines), "a").digest != open_source(str(lines), "b").digest


@pytest.mark.parametrize(
    ("row", "column", "text"),
    [({"text": "a", "id": "b"}, None, "a"), ({"body": "a", "n": 1}, None, "a"), ({"x": "a", "y": "b"}, "y", "b")],
)
def test_the_column_of_the_text(tmp_path: Path, row: dict, column: str | None, text: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row), "utf-8")
    assert list(open_source(str(path), column).documents()) == [text]


@pytest.mark.parametrize(
    ("lines", "column", "code"),
    [
        ('{"x": "a", "y": "b"}', None, "data-column"),
        ('{"text": "a"}', "body", "data-column"),
        ("[1]", None, "data-column"),
        ('{"text": ', None, "data-line"),
    ],
)
def test_a_row_without_text_is_told_with_its_line(tmp_path: Path, lines: str, column: str | None, code: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "first", "body": "first"}\n' * (column is None) + lines, "utf-8")
    with pytest.raises(EulerStackError) as failure:
        list(open_source(str(path), column).documents())
    assert code_of(failure) == code
    assert str(path) in str(failure.value)


def test_parquet_is_a_document_a_row_in_every_group_of_rows(tmp_path: Path) -> None:
    texts = [f"row {n}" for n in range(3000)]
    table = pyarrow.table({"n": list(range(3000)), "body": pyarrow.array([*texts[:-1], None], pyarrow.large_string())})
    parquet.write_table(table, tmp_path / "a.parquet", row_group_size=700)
    (tmp_path / "b.txt").write_text("after", "utf-8")
    assert list(open_source(str(tmp_path)).documents()) == [*texts[:-1], "after"]
    two = pyarrow.table({"body": ["a"], "title": ["b"]})
    parquet.write_table(two, tmp_path / "a.parquet")
    assert list(open_source(str(tmp_path / "a.parquet"), "title").documents()) == ["b"]
    for column in (None, "n"):
        with pytest.raises(EulerStackError) as failure:
            list(open_source(str(tmp_path / "a.parquet"), column).documents())
        assert code_of(failure) == "data-column"


@pytest.mark.parametrize("rotten", [slice(0, None), slice(1000, 3000)], ids=["all of it", "its pages"])
def test_parquet_that_is_none_is_told_by_name(tmp_path: Path, rotten: slice) -> None:
    path = tmp_path / "rows.parquet"
    parquet.write_table(pyarrow.table({"text": [f"{n} " * 50 for n in range(5000)]}), path)
    content = bytearray(path.read_bytes())
    content[rotten] = b"\xff" * len(content[rotten])
    path.write_bytes(content)
    with pytest.raises(EulerStackError) as failure:
        list(open_source(str(path)).documents())
    assert code_of(failure) == "data-unreadable"
    assert str(path) in str(failure.value)


def test_names_that_are_nothing(tmp_path: Path) -> None:
    for name, code in [("no/such/file.txt", "data-missing"), ("./x", "data-missing"), ("", "data-missing")]:
        with pytest.raises(EulerStackError) as failure:
            open_source(name)
        assert code_of(failure) == code
    with pytest.raises(EulerStackError) as failure:
        open_source(str(tmp_path))
    assert code_of(failure) == "data-empty"


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    for name, package in [(str(tmp_path), "pyarrow"), ("wikitext:wikitext-2-raw-v1", "datasets")]:
        with pytest.raises(EulerStackError, match=package) as failure:
            open_source(name)
        assert code_of(failure) == "data-needs"


def test_few_documents_lose_their_tails_and_many_lose_whole_ones() -> None:
    text = "".join(f"line {n}\n" for n in range(64))
    (train, first), (held, second) = split([text])
    assert (first, second) == (False, True)
    assert train + held == text
    assert train.endswith("\n")
    assert 0 < len(held) <= len(text) / 8
    many = list(split(f"{n}" for n in range(40)))
    assert [text for text, held_out in many if held_out] == ["0", "16", "32"]
    assert len(many) == 40
