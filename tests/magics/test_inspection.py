"""Help at the cursor as a kernel is asked for it: the whole cell and a position."""

import pytest
from ipykernel.ipkernel import IPythonKernel

from eulerstack import i18n, preset_index
from eulerstack.arguments import COMMANDS, Place, build
from eulerstack.magics import inspection
from eulerstack.magics.calls import commands
from eulerstack.parser import translated_argparse
from eulerstack.schema.describe import describe, every_path
from tests.magics.test_magic import SPEC, run

CELL = "%%eulerstack\n"
BODY = CELL + SPEC


class Kernel:
    """A kernel with IPython's own answer."""

    do_inspect = IPythonKernel.do_inspect

    def __init__(self, shell):
        self.shell = shell


@pytest.fixture
def ask(shell):
    """What a kernel answers about the `|` in a cell."""
    kernel = Kernel(shell)
    object.__setattr__(shell, "kernel", kernel)
    inspection.add(shell)

    def asked(text: str) -> dict:
        return kernel.do_inspect(text.replace("|", "", 1), text.index("|"))

    asked.shell = shell
    yield asked
    inspection.remove(shell)
    assert kernel.do_inspect.__func__ is IPythonKernel.do_inspect


PLACES = {
    BODY.replace("d_model", "d_mo|del"): "model.d_model",
    BODY.replace("activation", "|activation"): "ffn.activation",
    BODY.replace("swiglu", "swiglu|"): "ffn.activation",
    BODY.replace("type: attention", "type: atten|tion"): "mixer.attention",
    BODY.replace("type: gated_mlp", "type: gated|_mlp"): "ffn.type",
    BODY.replace("layer_templates", "layer_|templates"): "layer_templates",
    BODY.replace("  decoder", "  dec|oder"): "layer_templates",
    BODY.replace("template: decoder", "template: deco|der"): "layer_schedule.template",
    BODY.replace("repeat: 2", "group: [{ template: decoder, re|peat: 2 }]"): "layer_schedule.repeat",
    BODY.replace("repeat: 2", "override: { ffn.activ|ation: silu }"): "layer_schedule.override.ffn.activation",
    BODY.replace('"small"', '"sm|all"'): "model.name",
    CELL + "model:\n  dtype: bf|loat16\n  broken: {{{ [": "model.dtype",
    CELL + "let: { w: {{ width }} }\nmodel: { max_|seq_len: 5": "model.max_seq_len",
    "%eulerstack schema mixer.hyena.filter_|decay": "mixer.hyena.filter_decay",
}


@pytest.mark.parametrize(("text", "path"), PLACES.items())
def test_a_place_of_the_body_is_told_as_the_schema_does(ask, text, path):
    answer = ask(text)
    assert answer["found"]
    told = answer["data"]["text/plain"]
    assert told.split("\n")[0] == path
    assert told.split("\n")[-1] == f"%eulerstack schema {path}"
    assert describe(path).meaning in " ".join(told.split())
    assert f"<b>{path}</b>" in answer["data"]["text/html"]


@pytest.mark.parametrize("lang", i18n.LANGUAGES)
def test_a_tip_speaks_the_language(ask, lang):
    i18n.choose(lang)
    assert describe("model.d_model").meaning in ask(CELL + "model: { d_mod|el: 4 }")["data"]["text/html"]


def test_a_key_tells_type_range_and_default(ask):
    told = ask(CELL + "model: { norm_e|ps: 1.0e-5 }")["data"]["text/plain"]
    row = describe("model.norm_eps").rows[0]
    assert all(part in told for part in (row.type, row.range, "1e-05"))


def test_the_call_that_a_tip_names_is_answered(shell):
    for path in every_path():
        result, told = run(shell, f"%eulerstack schema {path}")
        assert result.success, told


@pytest.mark.parametrize("place", [Place.LINE, Place.CELL])
def test_every_command_and_option_has_its_help(ask, place):
    with translated_argparse():
        whole = build(place)
    for name in COMMANDS[place]:
        parser = commands(whole)[name]
        assert parser.description in " ".join(ask(f"{place} {name}|")["data"]["text/plain"].split()), name
        for option, action in parser._option_string_actions.items():
            if option.startswith("--"):
                told = ask(f"{place} {name} {option}|")["data"]["text/plain"]
                assert " ".join(str(action.help).split()) in " ".join(told.split()), (name, option)


def test_an_option_s_value_is_told_as_the_option(ask):
    told = ask("%eulerstack compile llm_0p1b_simple --tokenizer ski|p")["data"]["text/plain"]
    assert told.startswith("--tokenizer auto|skip|require")


@pytest.mark.parametrize(
    "text",
    ["%eulerstack explain arch_beginner_ll|ama", "x = %eulerstack draw --preset arch_beginner_|llama",
     CELL + "extends: arch_beginner|_llama\n"],
)  # fmt: skip
def test_a_preset_is_described(ask, text):
    preset = preset_index.find("arch_beginner_llama")
    assert preset.description in " ".join(ask(text)["data"]["text/plain"].split())


def test_the_magic_itself_lists_its_commands(ask):
    told = ask("%%euler|stack\n")["data"]["text/plain"]
    assert all(name in told for name in COMMANDS[Place.CELL])


def test_python_is_left_to_the_kernel(ask):
    run(ask.shell, "def doubled(x):\n    'Twice as much.'\n    return 2 * x")
    own = IPythonKernel.do_inspect(ask.shell.kernel, "doubled(3)", 3)
    assert ask("dou|bled(3)") == own
    assert "Twice as much." in own["data"]["text/plain"]
    assert not ask("nobody_|knows")["found"]
    ask.shell.user_ns["width"] = 64
    told = ask(CELL + "let: { w: {{ wi|dth }} }")
    assert told["found"]
    assert "64" in told["data"]["text/plain"]


@pytest.mark.parametrize("text", [CELL + "|", CELL + "a: |", CELL + ": : ]|", "%eulerstack |", "|", "%eulerstack '|"])
def test_where_there_is_nothing_to_say_the_kernel_answers(ask, text):
    bare, at = text.replace("|", ""), text.index("|")
    assert inspection.tip_at(bare, at) is None
    assert ask(text) == IPythonKernel.do_inspect(ask.shell.kernel, bare, at)


def test_a_shell_without_a_kernel_is_left_alone(shell):
    inspection.add(shell)
    inspection.remove(shell)
    assert not hasattr(shell, "kernel")
