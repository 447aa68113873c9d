"""Text → tree: positions, what is refused, and limits that hold for every input."""

import time
from collections.abc import Callable

import pytest
import yaml

from eulerstack.diagnostics import EulerStackError, Source
from eulerstack.dsl import Mapping, Scalar, find, locate, parse, parser
from eulerstack.dsl.builder import MAX_DEPTH, MAX_NODES, MAX_SCALAR
from eulerstack.dsl.reader import MAX_BYTES

Found = tuple[str, int, int]


@pytest.fixture(params=["C", "Python"])
def read(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Mapping]:
    """`parse` of a text with libyaml's scanner and with PyYAML's own."""
    if request.param == "Python":
        monkeypatch.setattr(parser, "LOADER", yaml.SafeLoader)
    return lambda text: parse(Source("m.yml", text))


def faults(read: Callable[[str], Mapping], text: str) -> list[Found]:
    with pytest.raises(EulerStackError) as caught:
        read(text)
    assert len(str(caught.value).split("\n")) == 3 * min(20, len(caught.value.diagnostics))
    return [(d.code, d.span.line, d.span.column) for d in caught.value.diagnostics if d.span]


def test_every_node_knows_its_place(read: Callable[[str], Mapping]) -> None:
    root = read("model:\n  name: 'x'  # why\n  sizes: [1, 22]\nlist:\n- a: 1\n  b:\n- 한글: 값\n")
    assert str(locate(root, ("model", "name"))) == "m.yml:2:9"
    assert str(locate(root, ("model", "name"), key=True)) == "m.yml:2:3"
    span = locate(root, ("model", "sizes", 1))
    assert (span.line, span.column, span.end_line, span.end_column) == (3, 14, 3, 16)
    assert str(locate(root, ("list", 0, "b"))) == "m.yml:6:5"
    assert str(locate(root, ("list", 1, "한글"))) == "m.yml:7:7"
    assert str(locate(root, ("list", 0, "missing"))) == "m.yml:5:3"
    assert find(root, ("list", 5)) is None


def test_a_block_ends_with_its_last_child(read: Callable[[str], Mapping]) -> None:
    span = locate(read("a:\n  b: 1\n\n# a comment\nc: 2\n"), ("a",))
    assert (span.end_line, span.end_column) == (2, 7)


def test_line_offset_counts_from_the_top_of_a_cell() -> None:
    root = parse(Source("<cell>", "a: 1\nb: 2\n", line_offset=1))
    assert str(locate(root, ("b",))) == "<cell>:3:4"
    assert locate(root, ("b",)).source.line(3) == "b: 2"


def test_anchors_and_aliases_share_values_and_keep_their_places(read: Callable[[str], Mapping]) -> None:
    root = read("a: &x {k: [1, 2]}\nb: *x\nc: &y 5\nd: *y\n")
    assert root.plain() == {"a": {"k": [1, 2]}, "b": {"k": [1, 2]}, "c": 5, "d": 5}
    assert str(locate(root, ("b",))) == "m.yml:2:4"
    assert str(locate(root, ("b", "k"))) == "m.yml:1:11"


def test_a_byte_order_mark_moves_no_column(read: Callable[[str], Mapping]) -> None:
    assert str(locate(read("\ufeffa: 1\n"), ("a",))) == "m.yml:1:4"


@pytest.mark.parametrize("line_break", ["\r\n", "\r", "\x85", "\u2028"])
def test_every_line_break_of_yaml(read: Callable[[str], Mapping], line_break: str) -> None:
    root = read(f"a: 1{line_break}b: 2{line_break}")
    span = locate(root, ("b",))
    assert (span.line, span.column, span.source.line(2)) == (2, 4, "b: 2")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n", [("duplicate-key", 4, 3), ("duplicate-key", 5, 1)]),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", [("merge-key", 3, 3)]),
        ("a: &x [*x]\n", [("recursive-alias", 1, 8)]),
        ("a: *x\n", [("unknown-alias", 1, 4)]),
        ("a: !foo 1\nb: !!python/name:os.system x\n", [("custom-tag", 1, 4), ("custom-tag", 2, 4)]),
        ("a: !foo {b: 1}\n", [("custom-tag", 1, 4)]),
        ("a: !!int x\n", [("tag-mismatch", 1, 4)]),
        ("1: a\ntrue: b\n~: c\n? [d]\n: e\n", [("key-not-string", n, c) for n, c in ((1, 1), (2, 1), (3, 1), (4, 3))]),
        ("017: a\n", [("key-not-string", 1, 1)]),
        ("a: 1\n---\nb: 1\n", [("several-documents", 2, 1)]),
        ("", [("empty-document", 1, 1)]),
        ("# only a comment\n", [("empty-document", 1, 1)]),
        ("---\n...\n", [("empty-document", 2, 1)]),
        ("- a\n", [("root-not-mapping", 1, 1)]),
        ("just text\n", [("root-not-mapping", 1, 1)]),
        ("a:\n\tb: 1\n", [("yaml-tab", 2, 1)]),
        ("a: b: c\n", [("yaml-colon", 1, 5)]),
        ("a: 1\nb\nc: 2\n", [("yaml-missing-colon", 2, 1)]),
        ("a: @x\n", [("yaml-character", 1, 4)]),
        ("a: {b: [1, 2}\n", [("yaml-bracket", 1, 8)]),
        ("a: 'b\nc: 1\n", [("yaml-quote", 1, 4)]),
        ('a: "\\q"\n', [("yaml-escape", 1, 5)]),
        ("a:\n  - 1\n b: 2\n", [("yaml-indent", 3, 2)]),
        ("a: \x00\nb: \x1b\n", [("binary", 1, 4), ("control-character", 2, 4)]),
        ('a: "\\e[31m"\n"\\0": 1\n', [("control-character", 1, 4), ("control-character", 2, 1)]),
        ("a: 'it's'\n", [("yaml-unexpected", 1, 8)]),
        ("a: - b\n", [("yaml-unexpected", 1, 4)]),
        ("a: \ud800\n", [("control-character", 1, 4)]),
        ("a: 017\nb: .inf\n", [("leading-zero", 1, 4), ("not-finite", 2, 4)]),
    ],
)
def test_textual_errors(read: Callable[[str], Mapping], text: str, expected: list[Found]) -> None:
    assert faults(read, text) == expected


def test_a_broken_section_hides_no_other(read: Callable[[str], Mapping]) -> None:
    text = "a: [1, 2\nb: 1\nb: 2\nc:\n  d: 'open\ne: 017\n"
    found = faults(read, text)
    assert {("yaml-bracket", 1, 4), ("duplicate-key", 3, 1), ("yaml-quote", 5, 6), ("leading-zero", 6, 4)} <= set(found)


def test_a_duplicate_key_names_the_first_line() -> None:
    with pytest.raises(EulerStackError) as caught:
        parse(Source("m.yml", "a: 1\n\nb: 2\na: 3\n"))
    assert caught.value.diagnostics[0].params == {"key": "a", "line": 1}


def _bomb(levels: int, width: int) -> str:
    lines = ["a0: &a0 [" + "x, " * width + "]"]
    lines += [f"a{n}: &a{n} [" + f"*a{n - 1}, " * width + "]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (_bomb(30, 9), "alias-bomb"),
        ("\n".join(["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 5_000))]), "too-deep"),
        ("[" * 200_000, "too-deep"),
        ("{a: " * 100_000, "too-deep"),
        ("- " * 100_000, "too-deep"),
        ("a: [" + "1," * (MAX_NODES + 1) + "]", "too-many-nodes"),
        ("a: " + "x" * (MAX_SCALAR + 1), "scalar-too-long"),
        ("a: " + "x" * MAX_BYTES, "text-too-large"),
        ("a: " + "한" * (MAX_BYTES // 2), "text-too-large"),
    ],
    ids=lambda value: value[:12],
)
def test_limits_hold_quickly(text: str, code: str) -> None:
    started = time.perf_counter()
    found = faults(lambda text: parse(Source("m.yml", text)), text)
    assert code in {fault[0] for fault in found}
    assert time.perf_counter() - started < 10


def test_the_deepest_allowed_nesting_is_read() -> None:
    depth = MAX_DEPTH - 1
    root = parse(Source("m.yml", "a: " + "[" * depth + "]" * depth))
    assert str(root.plain()).count("[") == depth


@pytest.mark.parametrize(
    "line", ["a: 1\n", "*a : *b\n", "a: ${ b }\n", "<<: 1\n", "? [a]\n: 1\n", "'\n", "a: [\n", "\x01"]
)
def test_a_text_full_of_errors_ends_soon(line: str) -> None:
    started = time.perf_counter()
    text = line * (200_000 // len(line))
    if line != "a: ${ b }\n":
        faults(lambda text: parse(Source("m.yml", text)), text)
    assert time.perf_counter() - started < 20


def test_refused_values_say_so() -> None:
    root, found = parser.examine_text(Source("m.yml", "a: 017\nb: 1\n"))
    assert root is not None
    value = root.get("a")
    assert isinstance(value, Scalar)
    assert value.refused
    assert [d.code for d in found] == ["leading-zero"]
