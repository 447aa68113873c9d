"""Plain scalars: YAML 1.2's core schema and none of YAML 1.1's traps."""

import pytest

from eulerstack.diagnostics import Source
from eulerstack.dsl import parse
from eulerstack.dsl.scalars import Refused, resolve_plain


@pytest.mark.parametrize(
    "text", ["yes", "no", "on", "off", "Yes", "y", "N", "12:30:45", "2026-11-24", "1_0", "0b11", "="]
)
def test_yaml_1_1_words_are_strings(text: str) -> None:
    assert resolve_plain(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-12", -12),
        ("+7", 7),
        ("00", 0),
        ("0x1F", 31),
        ("0o17", 15),
        ("1_000_000", 1_000_000),
        ("1e-4", 1e-4),
        (".5e3", 500.0),
        ("1.", 1.0),
        ("-.5", -0.5),
        ("1E6", 1e6),
        ("08.5", 8.5),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("1.2.3", "1.2.3"),
        ("-", "-"),
        ("+", "+"),
        (".", "."),
        ("e5", "e5"),
        ("1e", "1e"),
        ("٣", "٣"),
        ("1.1B", "1.1B"),
    ],
)
def test_core_schema(text: str, value: object) -> None:
    found = resolve_plain(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("017", "leading-zero"),
        ("-08", "leading-zero"),
        (".nan", "not-finite"),
        ("-.Inf", "not-finite"),
        ("1e999", "number-out-of-range"),
        ("1e-999", "number-out-of-range"),
        ("9" * 5_000, "number-too-long"),
        ("0x" + "f" * 5_000, "number-too-long"),
        ("0" * 5_000 + "1", "number-too-long"),
        ("1." + "0" * 5_000, "number-too-long"),
    ],
)
def test_what_is_no_value_is_refused(text: str, code: str) -> None:
    found = resolve_plain(text)
    assert isinstance(found, Refused)
    assert found.code == code


def test_a_leading_zero_names_the_decimal_number() -> None:
    found = resolve_plain("-0017")
    assert isinstance(found, Refused)
    assert found.params == {"number": "-0017", "decimal": "-17"}


def test_quotes_and_block_styles_are_strings() -> None:
    text = "a: '1'\nb: \"null\"\nc: |\n  2\nd: ''\n"
    assert parse(Source("m.yml", text)).plain() == {"a": "1", "b": "null", "c": "2\n", "d": ""}


def test_core_tags_are_known() -> None:
    text = "a: !!str 12\nb: !!float 3\nc: !!int 4\nd: !!map {x: !!seq [!!null ~, !!bool true]}\ne: ! 5\n"
    plain = parse(Source("m.yml", text)).plain()
    assert plain == {"a": "12", "b": 3.0, "c": 4, "d": {"x": [None, True]}, "e": "5"}
    assert type(plain["b"]) is float
