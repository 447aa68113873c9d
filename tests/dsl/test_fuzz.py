"""Whatever comes in: a tree or an EulerStackError of three lines each, soon."""

import time

import yaml
from hypothesis import given
from hypothesis import strategies as st

from eulerstack.diagnostics import REPORT_LIMIT, EulerStackError, Source, error
from eulerstack.diagnostics.render import html, terminal_lines, to_dict
from eulerstack.dsl import Document, decode, examine, resolve
from eulerstack.dsl.scalars import NOT_PRINTABLE

SPEC = """\
schema_version: 1
let: { d: 64, heads: "${ let.d // 16 }" }
model: &m { name: "m", d_model: "${ let.d }", vocab_size: 320, max_seq_len: 64, n_heads: "${ let.heads }" }
tokenizer_contract: { type: hf, pretrained: gpt2 }
embedding: { type: learned, positional: rope }
layer_templates:
  decoder: &d
    mixer: { type: attention, attention: {} }
    ffn: { type: gated_mlp, activation: swiglu }
  other: *d
layer_schedule:
  - { template: decoder, repeat: 2 }
  - template: other
head: { type: causal_lm }
"""
SECONDS = 5
PIECES = [
    *(
        "'",
        '"',
        "[",
        "]",
        "{",
        "}",
        ":",
        ": ",
        "- ",
        "\n",
        "\t",
        "#",
        "&d",
        "*d",
        "*m",
        "<<: *m",
        "!!",
        "!x ",
        "|",
        ">",
    ),
    *(
        "%",
        "@",
        "${",
        "}",
        "let.",
        "//",
        "0",
        "017",
        ".nan",
        "1e999",
        "9" * 400,
        "\x00",
        "\x1b[31m",
        "\ufeff",
        "\u2028",
    ),
    *("\ud800", "---\n", "...", "? ", "extends: x\n", "한", "\\", "  "),
]


def read(text: str) -> Document | EulerStackError:
    """What the front makes of a text, after checking the promises that hold for all texts."""

    def lookup(name: str, _: Source) -> Source:
        raise error("extends-missing", params={"name": name, "nearest": ""})

    source = Source("m.yml", text)
    started = time.perf_counter()
    _, found = examine(source, lookup)
    try:
        result: Document | EulerStackError = resolve(source, lookup)
        assert not found
        assert isinstance(result.root.plain(), dict)  # type: ignore[union-attr]
    except EulerStackError as failure:
        result = failure
        check(failure)
    assert time.perf_counter() - started < SECONDS
    return result


def check(failure: EulerStackError) -> None:
    shown = failure.diagnostics[:REPORT_LIMIT]
    lines = str(failure).split("\n")
    assert len(lines) == 3 * len(shown)
    assert all(line.isprintable() for line in lines)
    assert [line.split()[0] for line in lines[1:3]] == ["Fix:", "See:"]
    assert all(line.isprintable() for line in terminal_lines(failure.diagnostics))
    html(failure.diagnostics).encode()
    for diagnostic in shown:
        place = to_dict(diagnostic)
        assert isinstance(place["line"], int)
        assert place["line"] > 0


@given(st.binary(max_size=400))
def test_random_bytes(data: bytes) -> None:
    try:
        source = decode(data, "m.yml")
    except EulerStackError as failure:
        check(failure)
    else:
        read(source.text)


@given(st.text(max_size=400))
def test_random_text(text: str) -> None:
    read(text)


@given(st.lists(st.sampled_from([*PIECES, "a", "b", " ", "1"]), max_size=60).map("".join))
def test_random_yaml_pieces(text: str) -> None:
    read(text)


@given(st.lists(st.tuples(st.integers(0, len(SPEC)), st.integers(0, 6), st.sampled_from(["", *PIECES])), max_size=6))
def test_mutated_specs(edits: list[tuple[int, int, str]]) -> None:
    text = SPEC
    for place, length, piece in edits:
        text = text[:place] + piece + text[place + length :]
    read(text)


numbers = st.one_of(st.integers(-(10**12), 10**12), st.floats(allow_nan=False, allow_infinity=False))
words = st.text(max_size=6).filter(lambda text: not NOT_PRINTABLE.search(text))
plain = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, words),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(words, inner, max_size=4)),
    max_leaves=20,
)


@given(st.dictionaries(words, plain, min_size=1, max_size=5))
def test_what_a_yaml_library_writes_is_read_back(data: dict) -> None:
    root, found = examine(Source("m.yml", yaml.safe_dump(data, allow_unicode=True, sort_keys=False, default_style='"')))
    if {"let", "extends"}.isdisjoint(data) and "${" not in str(data):
        assert not found
        assert root is not None
        assert str(root.root.plain()) == str(data)
