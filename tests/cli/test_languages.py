"""What each command prints in each language: no English but names, and columns that begin in the same terminal cell."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from wcwidth import wcswidth, wcwidth

from eulerstack import api, arguments, cli, i18n
from eulerstack.arguments import Place
from tests.languages import english

TRANSLATED = [lang for lang in i18n.LANGUAGES if lang != "en"]
SMALL = """\
schema_version: 1
model: { name: small, d_model: 128, vocab_size: 512, max_seq_len: 256, n_heads: 8 }
tokenizer_contract: { type: byte }
embedding: { type: learned, positional: rope }
layer_templates:
  decoder:
    mixer: { type: attention, attention: { window: 64 } }
    ffn: { type: moe, moe: { experts: 4, top_k: 2 } }
    residual: { type: hyper_connection, hyper: { expand: 2 } }
layer_schedule:
  - { template: decoder, repeat: 2 }
head: { type: causal_lm }
training_hints:
  scaling: { parametrization: standard, base_width: 256 }
"""
WRONG = SMALL.replace("d_model: 128", "d_model: x").replace("window: 64", "windw: 64").replace("top_k: 2", "top_k: 9")
TORN = "schema_version: 1\nmodel: { name: 'x\n"

COMMANDS = [[name] for name in arguments.COMMANDS[Place.SHELL]]
HELP = [[*command, "--help"] for command in ([], *COMMANDS, *(["presets", name] for name in ("list", "show", "copy")))]
SECTIONS = ["", "mixer", "mixer.attention", "mixer.mamba", "ffn", "ffn.moe", "memory", "layer_schedule", "embedding",
            "layer_schedule.override", "head", "training_hints", "tissue", "model.d_model"]  # fmt: skip
RESULTS = [
    *(["schema", section] for section in SECTIONS),
    ["presets", "list"],
    ["presets", "list", "--mixer", "mamba"],
    ["validate", "small.yml", "--report"],
    ["validate", "wrong.yml"],
    ["validate", "torn.yml"],
    ["validate", "arch_expert_frontier_full_moe_mini", "--report"],
    ["explain", "small.yml"],
    ["explain", "arch_expert_kitchen_sink"],
    ["explain", "small.yml", "arch_expert_kitchen_sink"],
    ["explain", "arch_beginner_llama", "--seq", "2048", "--batch", "8", "--dtype", "float32", "--fits", "24GB"],
    ["explain", "arch_beginner_llama", "--fits", "1GB"],
    ["explain", "small.yml", "--fits", "24 GiB"],
    ["diff", "small.yml", "llm_0p1b_jamba"],
    ["diff", "small.yml", "small.yml", "--level", "authored"],
    ["compile", "small.yml", "--validate-only"],
    ["compile", "small.yml", "--output-dir", "model"],
    ["draw", "small.yml"],
    ["presets", "copy", "llm_0p1b_simple", "copy.yml"],
]
MISTAKES = [
    ["nothing"],
    ["validat"],
    ["validate"],
    ["validate", "none.yml"],
    ["validate", "."],
    ["validate", "a\0b.yml"],
    ["validate", "small.yml/below"],
    ["validate", "x" * 5000],
    ["validate", "small.yml", "wrong.yml"],
    ["validate", "small.yml", "--preset", "wrong.yml"],
    ["validate", "small.yml", "--reprt"],
    ["explain", "wrong.yml"],
    ["explain", "--format", "xml", "small.yml"],
    ["explain", "small.yml", "--seq", "0"],
    ["explain", "small.yml", "--fits", "24"],
    ["explain", "small.yml", "small.yml", "--fits", "24GB"],
    ["diff", "small.yml"],
    ["diff", "small.yml", "none.yml"],
    ["diff", "small.yml", "wrong.yml"],
    ["compile", "small.yml", "-o"],
    ["compile", "small.yml", "--twin=1"],
    ["compile", "small.yml", "--seed", "x"],
    ["compile", "small.yml", "-o", "no/such/folder.json"],
    ["compile", "small.yml", "-o", "."],
    ["compile", "small.yml", "--output-dir", "no/such/folder"],
    ["compile", "small.yml", "--output-dir", "small.yml"],
    ["compile", "small.yml", "--output-dir", "."],
    ["import", "none"],
    ["import", "none", "--output-dir", "x"],
    ["import", ".", "--yaml-only"],
    ["import", "broken", "--yaml-only"],
    ["import", "foreign", "--yaml-only"],
    ["import", "odd", "--yaml-only"],
    ["schema", "mixer.atention"],
    ["schema", "nothing"],
    ["presets"],
    ["presets", "show", "nothing"],
    ["presets", "copy", "llm_0p1b_simple"],
    ["presets", "list", "--max-params", "many"],
    ["presets", "list", "--tier", "4"],
    ["presets", "copy", "llm_0p1b_simple", "small.yml"],
    ["presets", "copy", "llm_0p1b_simple", "no/such/folder.yml"],
    ["shrink", "small.yml", "-o", "small.yml"],
    ["draw", "small.yml", "-o", "x.gif"],
    ["draw", "small.yml", "-o", "no/such/folder.svg"],
    ["demo", "--seconds", "soon"],
]
ODD_CONFIG = """{
  "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 64, "num_attention_heads": 6,
  "num_key_value_heads": 4, "rms_norm_eps": "x", "hidden_act": "tanh", "unheard_of": 1,
  "rope_scaling": {"rope_type": "x"}
}"""

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs a call in a folder of its own: its exit code and all that it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    for name, text in (("small", SMALL), ("wrong", WRONG), ("torn", TORN)):
        Path(f"{name}.yml").write_text(text, "utf-8")
    for name, text in (("broken", "{"), ("foreign", '{"model_type": "bert"}'), ("odd", ODD_CONFIG)):
        Path(name).mkdir()
        Path(name, "config.json").write_text(text, "utf-8")

    def call(*words: str, lang: str) -> tuple[int, str]:
        try:
            code = cli.main([*words, "--lang", lang])
        except SystemExit as done:
            code = done.code
        return code, "\n".join(capsys.readouterr())

    return call


def own_words(printed: str) -> str:
    """What was printed without the quoted lines of a spec, and the labels that every language shares."""
    lines = (line for line in printed.splitlines() if not re.match(r"\s*\d* \|", line))
    return "\n".join(re.sub(r"^(?:See: eulerstack.*|Fix: |\w*Error: |Warning: |Info: )", "", line) for line in lines)


@pytest.mark.parametrize("lang", TRANSLATED)
@pytest.mark.parametrize("words", [*HELP, *RESULTS], ids=" ".join)
def test_a_command_speaks_the_language(run: Run, words: list[str], lang: str) -> None:
    _, printed = run(*words, lang=lang)
    assert printed.strip()
    assert not english(own_words(printed), lang)


@pytest.mark.parametrize("lang", TRANSLATED)
@pytest.mark.parametrize("words", MISTAKES, ids=lambda words: " ".join(words)[:40].replace("\0", "NUL"))
def test_a_mistake_is_told_in_the_language(run: Run, words: list[str], lang: str) -> None:
    code, printed = run(*words, lang=lang)
    assert code in (1, 2)
    assert "Fix: " in printed
    assert not english(own_words(printed), lang)


@pytest.mark.parametrize("lang", TRANSLATED)
def test_the_model_card_speaks_the_language(run: Run, lang: str) -> None:
    assert run("compile", "small.yml", "--output-dir", "model", lang=lang)[0] == 0
    card = re.sub(
        r"\A---\n.*?^---\n", "", Path("model", "README.md").read_text("utf-8"), flags=re.DOTALL | re.MULTILINE
    )
    assert card.startswith("\n# small\n")
    assert not english(card, lang)


@pytest.mark.usefixtures("without_training")
@pytest.mark.parametrize("lang", TRANSLATED)
def test_the_demo_speaks_the_language(run: Run, lang: str) -> None:
    code, printed = run("demo", "llm_0p1b_simple", "--seconds", "2", lang=lang)
    assert code == 0
    assert not english(own_words(printed), lang)


def cells_of(line: str) -> list[str]:
    """A line cell by cell; the second cell of a wide character is empty."""
    return [cell for char in line for cell in (char, *[""] * (wcwidth(char) - 1))]


def table(text: str, titles: list[str]) -> tuple[list[int], list[list[str]]]:
    """Where each title of a table's heading starts, in cells, and the cells of each line below it."""
    lines = text.splitlines()
    heading = re.compile(r"\s+".join(map(re.escape, titles)))
    top = next(n for n, line in enumerate(lines) if heading.fullmatch(line.strip()))
    starts, position = [], 0
    for title in titles:
        position = lines[top].index(title, position)
        starts.append(wcswidth(lines[top][:position]))
        position += len(title)
    return starts, [cells_of(line) for line in lines[top + 1 :] if line.strip()]


TABLES = {
    "presets": (lambda: api.presets(), "cli:presets.column.", {"size"}),
    "schema": (lambda: api.schema("mixer.attention"), "cli:schema.column.", set()),
    "explain": (
        lambda: api.explain("arch_expert_kitchen_sink"),
        "explain:column.",
        {"params", "flops", "cache", "cache-full"},
    ),
}
"""What is shown, the ids of its headings, and the columns that are set to the right."""


@pytest.mark.parametrize("lang", i18n.LANGUAGES)
@pytest.mark.parametrize("name", TABLES)
def test_columns_begin_in_the_same_cell(name: str, lang: str) -> None:
    show, ids, numbers = TABLES[name]
    domain, prefix = ids.split(":")
    known = i18n.catalogue(lang, domain).items()
    headings = {key.removeprefix(prefix): title for key, title in known if key.startswith(prefix)}
    with i18n.speaking(lang):
        starts, body = table(str(show()), list(headings.values()))
    assert len(body) > 10
    for column, start in zip(headings, starts, strict=True):
        end = start + wcswidth(headings[column])
        for line in body:
            gap = line[end : end + 2] if column in numbers else line[max(start - 2, 0) : start]
            assert not "".join(gap).strip(), (column, "".join(line))
            assert "" not in gap, (column, "".join(line))
        side = slice(end - 1, end) if column in numbers else slice(start, start + 1)
        assert sum(bool("".join(line[side]).strip()) for line in body) > 0, column


def test_a_column_that_is_off_by_a_cell_would_be_seen() -> None:
    starts, body = table("键  名\n字符  x\na     y\n", ["键", "名"])
    assert starts == [0, 4]
    assert "".join(body[0][2:4]).strip() == "符"
