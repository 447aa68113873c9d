"""The command line as a process: what it loads, and the ways a process can end."""

import os
import shlex
import signal
import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "safetensors", "numpy", "IPython", "ipywidgets")
CALLS = """
import sys
from eulerstack.cli import main
codes = [main(words.split()) for words in sys.argv[1:]]
"""
INTERRUPTED_WHILE_LOADING = """
import os, signal, sys
from eulerstack.__main__ import run
class Finder:
    def find_spec(*_):
        os.kill(os.getpid(), signal.SIGINT)
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
sys.meta_path.insert(0, Finder)
run()
"""
READING = [
    "validate llm_0p1b_simple --report",
    "explain arch_expert_mixtral_moe_mini",
    "schema mixer.attention",
    "presets list",
    "presets show llm_0p1b_simple",
    "shrink llm_0p1b_simple",
    "compile llm_0p1b_simple --print-config",
    "compile --help",
]


def python(*words, **settings):
    return subprocess.run([sys.executable, *words], capture_output=True, timeout=120, **settings)


def test_what_only_reads_loads_nothing_heavy():
    loaded = f"print(codes, [name for name in {HEAVY} if name in sys.modules])"
    done = python("-c", CALLS + loaded, *READING)
    assert done.stdout.decode().splitlines()[-1] == f"{[0] * len(READING)} []"


def test_the_package_itself_loads_nothing_heavy():
    done = python(
        "-c", f"import sys, eulerstack; print([n for n in (*{HEAVY}, 'pydantic', 'rich') if n in sys.modules])"
    )
    assert done.stdout.decode().strip() == "[]"


@pytest.mark.parametrize("module", ["eulerstack", "eulerstack.cli"])
def test_it_runs_as_a_module_and_without_colour_in_a_pipe(module):
    done = python("-m", module, "explain", "llm_0p1b_simple")
    assert done.returncode == 0
    assert b"llm-0p1b-simple" in done.stdout
    assert b"\x1b" not in done.stdout


def test_a_reader_that_goes_away_ends_it_quietly():
    command = [sys.executable, "-m", "eulerstack", "compile", "llm_0p1b_simple", "--print-config"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == 141


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("call", ["presets list", "validate llm_0p1b_simple", "compile llm_0p1b_simple --print-config"])
def test_a_full_disk_below_the_output_is_told(call, unbuffered):
    command = [sys.executable, "-m", "eulerstack", *call.split(), "--lang", "en"]
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, timeout=60, env=environment)
        assert subprocess.run(command, stdout=full, stderr=full, timeout=60, env=environment).returncode == 2
    assert done.returncode == 2
    first, fix, see = done.stderr.decode().splitlines()
    assert first == "ValidationError: '<stdout>' cannot be written: the disk is full"
    assert fix.startswith("Fix: ")
    assert see.startswith("See: ")


@pytest.mark.parametrize(("call", "code"), [("presets list", 0), ("validate none.yml", 2), ("validate -", 1)])
def test_streams_may_be_closed(call, code):
    command = f"exec {shlex.quote(sys.executable)} -m eulerstack {call} <&- >&- 2>&-"
    assert subprocess.run(command, shell=True, timeout=60).returncode == code


def test_an_interrupt_while_it_loads_ends_it_without_a_word():
    done = python("-c", INTERRUPTED_WHILE_LOADING)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, b"", b"")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_no_terminal_is_too_poor(encoding):
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "EULERSTACK_LANG": "ko"}
    done = python("-c", CALLS + "print(codes)", *READING, "--help", "validate 이름.yml", env=environment)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == str([0] * (len(READING) + 1) + [2]).encode()
    assert len(done.stderr.splitlines()) == 3


def test_a_name_that_is_no_text_is_told():
    done = python("-m", "eulerstack", "validate", b"\xff\xfe.yml".decode("utf-8", "surrogateescape"))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 3


def test_a_spec_is_read_from_standard_input():
    shown = python("-m", "eulerstack", "presets", "show", "llm_0p1b_simple").stdout
    done = python("-m", "eulerstack", "validate", "-", "--lang", "en", input=shown)
    assert done.returncode == 0
    assert done.stdout.decode() == "<stdin> is valid\n"
    assert python("-m", "eulerstack", "validate", "-", input=b"\xff\x00").returncode == 1
