"""`extends`: merging, chains, cycles, and errors that point into the right text."""

from pathlib import Path

import pytest

from eulerstack.diagnostics import Diagnostic, Source, error
from eulerstack.dsl import examine, locate, read_file, relative_lookup, resolve


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yml").write_text(text, "utf-8")
    return folder / "child.yml"


def faults(path: Path) -> list[Diagnostic]:
    return examine(read_file(path))[1]


def test_mappings_merge_and_all_else_replaces(tmp_path: Path) -> None:
    child = write(
        tmp_path,
        base="m: {d: 1, e: {x: 1, y: 2}}\nlist: [1, 2]\nkeep: k\nt: {a: 1}\n",
        child="extends: base.yml\nm: {d: 2, e: {y: 3, z: 4}}\nlist: [9]\nt: null\nnew: n\n",
    )
    found = resolve(read_file(child))
    assert found.root.plain() == {
        "m": {"d": 2, "e": {"x": 1, "y": 3, "z": 4}},
        "list": [9],
        "keep": "k",
        "t": None,
        "new": "n",
    }
    assert list(found.root.keys()) == ["m", "list", "keep", "t", "new"]
    assert "extends" in found.authored.keys()  # noqa: SIM118


def test_places_are_those_of_what_stands_there(tmp_path: Path) -> None:
    child = write(tmp_path, base="m:\n  d: 1\n  e: 2\n", child="extends: base.yml\nm:\n  d: 5\n")
    root = resolve(read_file(child)).root
    assert str(locate(root, ("m", "d"))) == f"{child}:3:6"
    assert str(locate(root, ("m", "e"))) == f"{tmp_path / 'base.yml'}:3:6"


def test_chains_and_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lib").mkdir()
    write(tmp_path, child="extends: lib/b.yml\nx: 1\n")
    write(tmp_path / "lib", b="extends: a.yml\ny: 2\n", a="x: 0\ny: 0\nz: 3\n")
    monkeypatch.chdir(tmp_path.parent)
    assert resolve(read_file(tmp_path / "child.yml")).root.plain() == {"x": 1, "y": 2, "z": 3}


def test_a_child_changes_what_its_parent_computes(tmp_path: Path) -> None:
    child = write(tmp_path, base="let: {d: 2}\na: ${ let.d * 10 }\n", child="extends: base.yml\nlet: {d: 3}\n")
    assert resolve(read_file(child)).root.plain() == {"a": 30}


def test_cycles_name_the_chain(tmp_path: Path) -> None:
    child = write(tmp_path, child="extends: b.yml\n", b="a: 1\nextends: ./c.yml\n", c="extends: child.yml\n")
    [found] = faults(child)
    assert found.code == "extends-cycle"
    assert found.params["chain"] == " → ".join(str(tmp_path / f"{n}.yml") for n in ("child", "b", "c", "child"))
    assert str(found.span) == f"{tmp_path / 'c.yml'}:1:10"


def test_a_spec_cannot_extend_itself(tmp_path: Path) -> None:
    assert [d.code for d in faults(write(tmp_path, child="extends: child.yml\n"))] == ["extends-cycle"]


def test_a_chain_without_end_ends() -> None:
    def lookup(name: str, _: Source) -> Source:
        return Source(f"{name}x", f"extends: {name}x\n")

    _, found = examine(Source("m.yml", "extends: a\n"), lookup)
    assert [d.code for d in found] == ["extends-too-long"]


@pytest.mark.parametrize("value", ["[a.yml]", "1", "{a: 1}", "''", "true"])
def test_extends_names_one_spec(value: str) -> None:
    _, found = examine(Source("m.yml", f"a: 1\nextends: {value}\n"))
    assert [(d.code, str(d.span)) for d in found] == [("extends-value", "m.yml:2:10")]


def test_a_missing_parent_is_missed_at_extends(tmp_path: Path) -> None:
    child = write(tmp_path, child="a: 1\nextends: nope.yml\n")
    assert [(d.code, str(d.span)) for d in faults(child)] == [("extends-missing", f"{child}:2:10")]


def test_an_error_of_the_lookup_gets_the_place() -> None:
    def lookup(name: str, _: Source) -> Source:
        raise error("unknown-preset", params={"value": name, "nearest": None})

    _, found = examine(Source("m.yml", "extends: arch_x\n"), lookup)
    assert [(d.code, str(d.span)) for d in found] == [("unknown-preset", "m.yml:1:10")]


def test_errors_of_the_parent_point_into_the_parent(tmp_path: Path) -> None:
    child = write(tmp_path, base="x: 1\nx: 2\ny: ${ let.q }\n", child="extends: base.yml\nz: 017\n")
    found = faults(child)
    base = tmp_path / "base.yml"
    assert {(d.code, str(d.span)) for d in found} == {
        ("duplicate-key", f"{base}:2:1"),
        ("expression-unknown-name", f"{base}:3:7"),
        ("leading-zero", f"{child}:2:4"),
    }


def test_a_parent_that_is_no_yaml_leaves_no_document(tmp_path: Path) -> None:
    child = write(tmp_path, base="a: [1\n", child="extends: base.yml\nb: 1\n")
    document, found = examine(read_file(child))
    assert document is None
    assert [d.code for d in found] == ["yaml-bracket"]


def test_a_text_without_a_file_starts_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, base="a: 1\n")
    monkeypatch.chdir(tmp_path)
    assert resolve(Source("<cell>", "extends: base.yml\n"), relative_lookup).root.plain() == {"a": 1}
