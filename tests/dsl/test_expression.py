"""`${ expr }` against exact arithmetic."""

import time
from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eulerstack.dsl.expression import ExpressionError, parse_expression

NAMES = {"a": Fraction(3), "b_2": Fraction(1, 2), "zero": Fraction(0)}


def evaluate(text: str) -> Fraction:
    return parse_expression(text).evaluate(NAMES.__getitem__)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("10 - 4 - 3", 3),
        ("64 / 4 / 2", 8),
        ("7 // 2", 3),
        ("-7 // 2", -4),
        ("-let.a * -2", 6),
        ("--3", 3),
        ("2 * -3", -6),
        ("7 - -2", 9),
        ("1.1 * 10", 11),
        ("0.1 + 0.2", Fraction(3, 10)),
        ("1e3 * .5", 500),
        ("let.a/let.b_2", 6),
        ("\tlet.a\n* 2 ", 6),
        ("5.", 5),
        ("0", 0),
        ("8 / 3 * 3", 8),
        ("(" * 400 + "1" + ")" * 400, 1),
        ("-" * 900 + "1", 1),
    ],
)
def test_values(text: str, value: Fraction) -> None:
    assert evaluate(text) == value


@pytest.mark.parametrize(
    ("text", "code", "start"),
    [
        ("", "expression-empty", 0),
        ("  ", "expression-empty", 0),
        ("1 +", "expression-incomplete", 3),
        ("1 2", "expression-syntax", 2),
        ("1 + * 2", "expression-syntax", 4),
        ("+1", "expression-syntax", 0),
        ("2 ** 3", "expression-syntax", 3),
        ("2 % 3", "expression-syntax", 2),
        ("(1 + 2", "expression-parenthesis", 0),
        ("1 + 2)", "expression-syntax", 5),
        ("()", "expression-syntax", 1),
        ("d_model * 2", "expression-bare-name", 0),
        ("1 + model.d_model", "expression-bare-name", 4),
        ("let.", "expression-bare-name", 0),
        ("let.a.b", "expression-syntax", 5),
        ("let.a b", "expression-bare-name", 6),
        ("1.5.2", "expression-syntax", 3),
        ("12abc", "expression-bare-name", 2),
        ("017", "leading-zero", 0),
        ("1 / 0", "expression-division-by-zero", 2),
        ("1 // (2 - let.a + 1)", "expression-division-by-zero", 2),
        ("__import__('os')", "expression-bare-name", 0),
        ("1e999", "expression-too-large", 0),
        ("1e308 * 1e308", "expression-too-large", 6),
        ("1" * 500, "expression-too-large", 0),
        ("1+" * 600 + "1", "expression-too-long", 0),
        ("٣", "expression-syntax", 0),
    ],
)
def test_errors_say_where(text: str, code: str, start: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(text)
    assert (caught.value.code, caught.value.start) == (code, start)


numbers = st.integers(0, 99).map(lambda n: (str(n), Fraction(n)))


def _combined(pair: tuple[tuple[str, Fraction], str, tuple[str, Fraction]]) -> tuple[str, Fraction]:
    (left, a), operator, (right, b) = pair
    if operator in ("/", "//") and b == 0:
        operator = "+"
    values = {"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b, "/": lambda: a / b, "//": lambda: a // b}
    return f"({left} {operator} {right})", Fraction(values[operator]())


expressions = st.recursive(
    numbers,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//"]), inner).map(_combined),
        inner.map(lambda pair: (f"-{pair[0]}", -pair[1])),
    ),
    max_leaves=12,
)


@given(expressions)
def test_against_exact_arithmetic(pair: tuple[str, Fraction]) -> None:
    text, value = pair
    assert evaluate(text) == value


@given(st.lists(st.sampled_from(["1", "2", "3", "+", "-", "*", "//", "(", ")", " "]), max_size=12).map("".join))
def test_precedence_and_grammar_are_those_of_python(text: str) -> None:
    try:
        found: Fraction | str = evaluate(text)
    except ExpressionError as wrong:
        found = wrong.code
    try:
        expected: object = eval(text.strip(), {})
    except (SyntaxError, TypeError, ZeroDivisionError, ValueError):
        expected = None
    if isinstance(expected, int) and not any(sign in text for sign in ("**", "+")):
        assert found == expected
    elif not isinstance(expected, int):
        assert isinstance(found, str)


@given(st.text(max_size=200))
def test_any_text_is_a_value_or_an_error(text: str) -> None:
    started = time.perf_counter()
    with suppress(ExpressionError):
        parse_expression(text).evaluate(lambda _: Fraction(2))
    assert time.perf_counter() - started < 5
