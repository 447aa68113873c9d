"""Files: what is read, and what is refused before it is YAML."""

import os
from pathlib import Path

import pytest

from eulerstack.diagnostics import Diagnostic, EulerStackError
from eulerstack.dsl import decode, read_file
from eulerstack.dsl.reader import MAX_BYTES


def refused(path: Path | str) -> Diagnostic:
    with pytest.raises(EulerStackError) as caught:
        read_file(path)
    assert len(str(caught.value).split("\n")) == 3
    return caught.value.diagnostics[0]


def test_a_file_is_named_as_it_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("모델.yml").write_text("a: 한글\n", "utf-8")
    source = read_file("모델.yml")
    assert (source.name, source.text, source.path) == ("모델.yml", "a: 한글\n", Path("모델.yml"))


def test_a_byte_order_mark_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "m.yml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_file(tmp_path / "m.yml").text == "a: 1\n"


def test_a_missing_file_names_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "model.yml").write_text("a: 1\n")
    found = refused(tmp_path / "modle.yml")
    assert (found.code, found.fix) == ("file-missing", "fix_nearest")
    assert str(tmp_path / "model.yml") in found.remedy
    assert refused(tmp_path / "zzzzzzzzzz").fix == "fix"
    assert refused(tmp_path / "nowhere" / "m.yml").code == "file-missing"


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").write_text("a: 1\n")
    assert refused(tmp_path).code == "file-directory"
    assert refused(tmp_path / "pipe").code == "file-special"
    assert refused("/dev/zero").code == "file-special"
    assert refused(tmp_path / "loop").code == "file-unreadable"
    assert refused(tmp_path / "file" / "below").code == "file-unreadable"
    assert refused("a\0b").code == "file-unreadable"
    assert refused("x" * 5_000).code == "file-unreadable"
    assert refused("").code == "file-missing"


def test_a_directory_tells_which_specs_are_in_it(tmp_path: Path) -> None:
    (tmp_path / "config.json").touch()
    assert refused(tmp_path).fix == "fix"
    (tmp_path / "b.yml").touch()
    (tmp_path / "a.yaml").touch()
    assert refused(tmp_path).params["files"] == "a.yaml, b.yml"
    assert refused(tmp_path).fix == "fix_inside"


def test_an_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m.yml").write_text("a: 1\n")

    def deny(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", deny)  # root may read everything, whatever the mode says
    assert str(refused(tmp_path / "m.yml").params["reason"]) == "permission denied"


@pytest.mark.parametrize(
    ("data", "code", "fix", "place"),
    [
        (b"a: 1\nb: \xff\n", "not-utf8", "fix", "m.yml:2:4"),
        ("a: 1\n이름: 값\n".encode("cp949"), "not-utf8", "fix_cp949", "m.yml:2:1"),
        ("a: 1\n".encode("utf-16"), "not-utf8", "fix_utf16", "m.yml:1:1"),
        (b"PK\x03\x04\x00\x00", "binary", "fix", "m.yml:1:5"),
        (b"a: 1\n" * MAX_BYTES, "text-too-large", "fix", "m.yml:1:1"),
    ],
    ids=["latin", "cp949", "utf-16", "zip", "large"],
)
def test_what_is_no_text(data: bytes, code: str, fix: str, place: str) -> None:
    with pytest.raises(EulerStackError) as caught:
        decode(data, "m.yml")
    found = caught.value.diagnostics[0]
    assert (found.code, found.fix, str(found.span)) == (code, fix, place)


def test_a_name_cannot_add_lines() -> None:
    assert refused("no\nsuch\x1b[31m.yml").message.isprintable()
