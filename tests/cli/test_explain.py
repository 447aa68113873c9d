"""`explain` tells what a spec costs, for the workload and the device that the call names."""

import json

import pytest

from eulerstack import api, cli, i18n
from eulerstack.diagnostics.cells import cells
from eulerstack.ir.cost import Workload, cost
from eulerstack.ir.fitting import fitting
from eulerstack.results.shown import short

NAME = "arch_beginner_llama"
LOAD = ("--seq", "2048", "--batch", "8", "--dtype", "float32")


@pytest.fixture
def run(capsys):
    """Runs a call: exit code, standard output, standard error."""

    def call(*words: str) -> tuple[int, str, str]:
        code = cli.main([*words, "--lang", "en"])
        return code, *capsys.readouterr()

    return call


def told(run, *words: str) -> dict:
    code, out, err = run("explain", *words, "--format", "json")
    assert (code, err) == (0, "")
    return json.loads(out)


def test_the_workload_is_the_call_s(run):
    model = api.load(NAME).model
    expected = cost(model, Workload.of(model, seq=2048, batch=8, dtype="float32"))
    found = told(run, NAME, *LOAD)
    assert found["workload"] == {
        "batch": 8, "seq": 2048, "dtype": "float32", "optimizer": "adamw", "checkpointing": False, "skip_logits": False,
    }  # fmt: skip
    assert found["params"]["total"] == expected.params.total
    assert found["flops"]["training"] == expected.flops.kernels.training
    assert found["flops"]["eager"]["decode"] == expected.flops.eager.decode
    assert found["cache"]["bytes_at_seq"] == expected.cache.at_seq
    assert found["memory"]["total"] == expected.memory.total
    assert [layer["flops"]["prefill"] for layer in found["layers"]] == [f.prefill for f in expected.flops.per_layer]
    assert sum(layer["cache_bytes_at_seq"] for layer in found["layers"]) == expected.cache.at_seq


def test_without_options_it_is_the_spec_s_own(run):
    found = told(run, NAME)["workload"]
    model = api.load(NAME).model
    assert (found["seq"], found["batch"], found["dtype"]) == (model.max_seq_len, 1, model.dtype)


def test_what_makes_training_fit(run):
    found = told(run, NAME, *LOAD, "--fits", "24GB")["fits"]
    model = api.load(NAME).model
    fit = fitting(model, Workload.of(model, seq=2048, batch=8, dtype="float32"), 24 * 10**9)
    assert found["available"] == 24 * 10**9
    assert not found["fits"]
    assert [remedy["bytes"] for remedy in found["remedies"]] == [remedy.memory.total for remedy in fit.remedies]
    assert [tuple(remedy["changes"]) for remedy in found["remedies"]] == [remedy.changes for remedy in fit.remedies]
    assert "fits" not in told(run, NAME)


@pytest.mark.parametrize(
    ("size", "available"), [("80GiB", 80 * 2**30), ("1.5 tb", 15 * 10**11), ("512MiB", 2**29), ("24GB", 24 * 10**9)]
)
def test_sizes_are_decimal_or_binary_as_written(run, size, available):
    assert told(run, NAME, "--fits", size)["fits"]["available"] == available


def test_a_text_names_every_remedy(run):
    code, out, _ = run("explain", NAME, *LOAD, "--fits", "24GB")
    assert code == 0
    assert "24 GB (22.4 GiB)" in out
    assert "training does not fit" in out
    assert "fits with" in out


@pytest.mark.parametrize("lang", i18n.LANGUAGES)
@pytest.mark.parametrize("name", ["arch_expert_research", "arch_expert_kitchen_sink", "llm_16b_moe"])
def test_a_terminal_of_eighty_cells_is_kept_and_no_number_is_cut(name, lang):
    with i18n.speaking(lang):
        page = api.explain(name)
        lines = page.terminal(80, color=False).splitlines()
    assert max(map(cells, lines)) <= 80
    sizes = page.totals.per_layer
    rows = [row for row in page.rows if row.node is not None]
    told = [line for line in lines[lines.index("") + 2 :] if line.rstrip().endswith(("B", "KiB", "MiB"))]
    assert len(told) == len(rows)
    assert all(short(sizes[row.first]) in line.split() for row, line in zip(rows, told, strict=True))


def test_a_notebook_shows_the_same(run):
    page = api.explain(NAME, seq=2048, available=10**9)
    shown = page._repr_html_()
    assert all(label in shown for label, _ in page.facts() if label)
    assert shown.count("<table") == 2


def test_two_specs_take_the_workload_too(run):
    names = ("llm_0p8b_simple", "llm_0p8b_mistral")
    found = told(run, *names, *LOAD)
    assert found["tokens"] == 2048
    assert [spec["memory"] for spec in found["specs"]] == [told(run, name, *LOAD)["memory"] for name in names]


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--seq", "0"), "'0' is no count"),
        (("--batch", "-1"), "'-1' is no count"),
        (("--seq", "1e3"), "'1e3' is no count"),
        (("--fits", "24"), "'24' is no size of a memory"),
        (("--fits", "0GB"), "'0GB' is no size of a memory"),
        (("--fits", "nanGB"), "'nanGB' is no size of a memory"),
        (("llm_0p1b_simple", "--fits", "24GB"), "--fits asks about one spec"),
        (("--dtype", "int8"), "int8"),
    ],
)
def test_a_wrong_call_is_told_in_three_lines(run, words, what):
    code, out, err = run("explain", NAME, *words)
    assert (code, out) == (2, "")
    assert what in err
    assert len(err.strip().splitlines()) == 3
