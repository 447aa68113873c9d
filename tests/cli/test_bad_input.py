"""Whatever the text: no traceback, no hang, exit code 1, three lines for each error with a place that exists."""

import random
import string
from copy import deepcopy

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from eulerstack import api, cli, i18n, preset_index
from eulerstack.diagnostics import REPORT_LIMIT, EulerStackError, Source
from eulerstack.diagnostics.span import LINE_BREAK

PRESETS = [preset_index.find(name).source.text for name in preset_index.names()]
PLAIN = [document for document in map(yaml.safe_load, PRESETS) if "extends" not in document]
ODD = [
    *(
        None,
        True,
        False,
        0,
        -1,
        64.7,
        10**20,
        -(10**20),
        1e300,
        float("inf"),
        float("nan"),
        "",
        "64",
        "yes",
        "가",
        "\0",
    ),
    *(
        "${ 1 / 0 }",
        "${ let.x }",
        "${",
        "${ 1 + 1 }",
        [],
        {},
        [[]],
        {"a": {}},
        {"": 1},
        [None],
        "2012-12-12",
        "x" * 500,
    ),
]
KEYS = [
    "type",
    "d_model",
    "repeat",
    "mixer",
    "hidden_size",
    "extends",
    "let",
    "group",
    "parallel",
    "experimental.x",
    "",
    "가",
]
SNIPPETS = [
    "{",
    "}",
    "[",
    "]",
    ":",
    "- ",
    "\t",
    "&a ",
    "*a",
    "<<: ",
    "!!python/object:x ",
    "#",
    "'",
    '"',
    "|",
    "%",
    "\0",
    "\ufeff",
    "---\n",
    "...\n",
]


def examined(text: str) -> None:
    """Validate; every diagnostic is three lines, at a place inside the text."""
    report = api.validate(Source("spec.yml", text, line_offset=1))
    for diagnostic in report.diagnostics:
        lines = str(diagnostic).split("\n")
        assert [line.split(": ")[0] for line in lines[1:]] == ["Fix", "See"]
        assert len(lines) == 3
        assert diagnostic.span is not None
        source = diagnostic.span.source
        assert 1 <= diagnostic.span.line - source.line_offset <= len(LINE_BREAK.split(source.text))
        assert diagnostic.span.column >= 1
    for form in (str(report), report._repr_html_(), str(report.to_dict())):
        assert form
    if report.ok:
        assert api.explain(Source("spec.yml", text)).to_dict()["layers"]


def places(node, path=()):
    """Every path of a plain document."""
    yield path
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


def mutated(seed: int) -> str:
    """A preset with a few values replaced, removed, renamed or moved."""
    draw = random.Random(seed)
    document = yaml.safe_load(yaml.safe_dump(draw.choice(PLAIN)))
    for _ in range(draw.randint(1, 4)):
        path = draw.choice([p for p in places(document) if p] or [()])
        if not path:
            break
        parent = document
        for step in path[:-1]:
            parent = parent[step]
        match draw.randrange(4):
            case 0:
                parent[path[-1]] = deepcopy(draw.choice(ODD))
            case 1:
                del parent[path[-1]]
            case 2 if isinstance(parent, dict):
                parent[draw.choice(KEYS)] = parent.pop(path[-1])
            case _:
                section = draw.choice(["model", "layer_templates", "layer_schedule", "head"])
                parent[path[-1]] = deepcopy(draw.choice(PLAIN)[section])
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def garbled(seed: int) -> str:
    """A preset's text with some characters lost, doubled or replaced."""
    draw = random.Random(seed)
    text = draw.choice(PRESETS)
    for _ in range(draw.randint(1, 6)):
        start = draw.randrange(len(text) + 1)
        end = min(len(text), start + draw.choice([0, 1, 1, 5, 200]))
        filling = draw.choice([*SNIPPETS, "", text[start:end] * 2, draw.choice(string.printable)])
        text = text[:start] + filling + text[end:]
    return text


@pytest.mark.parametrize("seed", range(60))
def test_mutated_specs(seed):
    with i18n.speaking("ko" if seed % 2 else "en"):
        examined(mutated(seed))


@pytest.mark.parametrize("seed", range(60))
def test_garbled_texts(seed):
    with i18n.speaking("ko" if seed % 2 else "en"):
        examined(garbled(seed))


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.sampled_from(KEYS))
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=100)
@given(DOCUMENTS)
def test_random_documents(document):
    examined(yaml.safe_dump(document, allow_unicode=True))


@settings(max_examples=100)
@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from([*SNIPPETS, "a", " ", "\n", "\r", "\u2028"]), max_size=30).map("".join)
)
def test_random_texts(text):
    examined(text)


@settings(max_examples=30)
@given(st.binary(max_size=200))
def test_random_bytes_as_a_file(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("bytes") / "spec.yml"
    path.write_bytes(content)
    assert cli.main(["validate", str(path)]) == 1


@pytest.mark.parametrize("seed", range(20))
def test_every_command_refuses_what_validate_refuses(seed, tmp_path, capsys):
    path = tmp_path / "spec.yml"
    path.write_text(garbled(seed), "utf-8", newline="")
    code = cli.main(["validate", str(path)])
    assert code in (0, 1)
    capsys.readouterr()
    for command in ("explain", "compile", "shrink", "draw"):
        assert (cli.main([command, str(path)]) == 0) == (code == 0)
        told = capsys.readouterr().err
        assert "Traceback" not in told
        if code:
            assert 1 <= sum(line.startswith("Fix: ") for line in told.splitlines()) <= REPORT_LIMIT


def test_load_raises_what_validate_reports():
    text = PRESETS[0].replace("d_model", "d_modell")
    report = api.validate(Source("spec.yml", text))
    with pytest.raises(EulerStackError) as caught:
        api.load(text)
    assert [d.code for d in caught.value.diagnostics] == [d.code for d in report.errors]
