"""`let` and `${ … }` in a spec."""

import pytest

from eulerstack.diagnostics import Diagnostic, NormalizationError, Source, ValidationError
from eulerstack.dsl import Document, Scalar, examine, find, resolve


def document(text: str) -> Document:
    return resolve(Source("m.yml", text))


def faults(text: str) -> list[Diagnostic]:
    return examine(Source("m.yml", text))[1]


def places(text: str) -> list[tuple[str, str]]:
    return [(d.code, str(d.span)) for d in faults(text)]


def test_expressions_become_numbers_and_let_goes() -> None:
    let = "let: { d: 64, h: '${ let.d // 16 }', r: 1.5 }\n"
    text = let + "a: ${ let.d * let.h }\nb: [\"${ let.d / 3 }\", '${ let.r * 2 }']\n"
    found = document(text)
    assert found.root.plain() == {"a": 256, "b": [64 / 3, 3]}
    assert type(find(found.root, ("b", 1)).plain()) is int  # type: ignore[union-attr]
    assert list(found.authored.keys()) == ["let", "a", "b"]


def test_a_computed_value_remembers_what_was_written() -> None:
    node = document("let: { d: 2 }\na: ${ let.d / 4 }\n").root.get("a")
    assert isinstance(node, Scalar)
    assert (node.value, node.written, node.refused) == (0.5, "${ let.d / 4 }", False)


def test_names_may_be_defined_in_any_order() -> None:
    names = [f"n{i}: ${{ let.n{i + 1} + 1 }}" for i in range(3_000)]
    text = "let:\n  " + "\n  ".join([*names, "n3000: 0"]) + "\na: ${ let.n0 }\n"
    assert document(text).root.plain() == {"a": 3_000}


def test_let_may_be_empty_or_absent() -> None:
    assert document("let:\na: ${ 1 + 1 }\n").root.plain() == {"a": 2}
    assert document("let: {}\na: 1\n").root.plain() == {"a": 1}


def test_values_of_names_are_exact() -> None:
    assert document("let: { r: 1.1 }\na: ${ let.r * 10 }\n").root.plain() == {"a": 11}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("let: [1]\n", [("let-not-mapping", "m.yml:1:6")]),
        ("let: { 2x: 1 }\n", [("let-name", "m.yml:1:8")]),
        ("let: { a: yes }\n", [("let-value", "m.yml:1:11")]),
        ("let: { a: true }\n", [("let-value", "m.yml:1:11")]),
        ("let: { a: [1] }\n", [("let-value", "m.yml:1:11")]),
        ("let:\n  a: ${ 1 / 0 }\nb: ${ let.a }\n", [("expression-division-by-zero", "m.yml:2:11")]),
        ("let:\n  aa: 1\nb: ${ let.ab }\n", [("expression-unknown-name", "m.yml:3:7")]),
        ("b: '${ let.a }'\n", [("expression-unknown-name", "m.yml:1:8")]),
        ('b: "${ 1 + }"\n', [("expression-incomplete", "m.yml:1:11")]),
        ("b: x${ 1 }\n", [("expression-not-whole", "m.yml:1:4")]),
        ("b: ${ 1 } ${ 2 }\n", [("expression-not-whole", "m.yml:1:4")]),
        ("b: ${ 1\n", [("expression-not-whole", "m.yml:1:4")]),
        ("b: ${}\n", [("expression-empty", "m.yml:1:6")]),
        ("b: |\n  ${ 1 +\n  * 2 }\n", [("expression-syntax", "m.yml:1:4")]),
        ("b: |\n  ${ 1 / 0 }\n", [("expression-division-by-zero", "m.yml:2:8")]),
        ("한글: ${ 1 / 0 }\n", [("expression-division-by-zero", "m.yml:1:10")]),
        ("b:\n- {c: '${ 1 % 2 }'}\n", [("expression-syntax", "m.yml:2:13")]),
    ],
)
def test_errors_have_the_place_inside_the_scalar(text: str, expected: list[tuple[str, str]]) -> None:
    assert places(text) == expected


def test_cycles_name_their_chain_once() -> None:
    found = faults("let:\n  a: ${ let.b }\n  b: ${ 2 * let.c }\n  c: ${ let.a }\n  d: ${ let.a }\n  e: ${ let.e }\n")
    assert [(d.code, d.params["chain"], str(d.span)) for d in found] == [
        ("let-cycle", "a → b → c → a", "m.yml:2:9"),
        ("let-cycle", "e → e", "m.yml:6:9"),
    ]


def test_categories() -> None:
    with pytest.raises(NormalizationError):
        document("a: ${ 1 / 0 }\n")
    with pytest.raises(ValidationError):
        document("let: { a: x }\n")


def test_an_unknown_name_gets_the_nearest() -> None:
    found = faults("let: { width: 1 }\na: ${ let.widht }\n")
    assert "let.width" in found[0].remedy


def test_every_fault_in_one_run() -> None:
    text = "let: { a: x, b: '${ 1/0 }' }\nc: ${ let.q }\nd: 017\nd: 1\n"
    codes = [code for code, _ in places(text)]
    assert codes == [
        "let-value",
        "expression-division-by-zero",
        "expression-unknown-name",
        "leading-zero",
        "duplicate-key",
    ]


def test_an_alias_of_an_expression_is_computed_too() -> None:
    assert document('let: { d: 2 }\na: &x ["${ let.d }"]\nb: *x\n').root.plain() == {"a": [2], "b": [2]}
