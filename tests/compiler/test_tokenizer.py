"""Tokenizers: every text survives the byte tokenizer, and a published one is found, bounded in time, or reported."""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer

from eulerstack.compiler import tokenizer as module
from eulerstack.compiler.tokenizer import SpecialIds, byte_alphabet, save_tokenizer
from eulerstack.diagnostics import CompileError

BYTE = {"type": "byte", "add_bos": True, "add_eos": True}


def save(directory: Path, contract: dict, *, vocab_size: int = 512, mode: str = "auto"):
    return save_tokenizer(contract, directory, vocab_size=vocab_size, max_length=128, mode=mode)


@pytest.fixture(scope="module")
def byte_tokenizer(tmp_path_factory: pytest.TempPathFactory):
    directory = tmp_path_factory.mktemp("byte")
    save(directory, BYTE)
    return AutoTokenizer.from_pretrained(directory)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small byte-level BPE in the form of gpt2's, as a local directory."""
    directory = tmp_path_factory.mktemp("published")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<|endoftext|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(["hello world, hello there, hello you"], trainer)
    tokenizer.save(str(directory / "tokenizer.json"))
    config = {"tokenizer_class": "GPT2Tokenizer", "bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}
    (directory / "tokenizer_config.json").write_text(json.dumps(config))
    return directory


def test_the_byte_alphabet_is_gpt2s() -> None:
    assert sorted(byte_alphabet()) == sorted(pre_tokenizers.ByteLevel.alphabet())
    assert sorted(byte_alphabet().values()) == list(range(256))


@given(st.text())
def test_byte_ids_are_the_bytes_and_every_text_survives(byte_tokenizer, text: str) -> None:
    if any(token in text for token in ("<pad>", "<bos>", "<eos>")):
        return
    ids = byte_tokenizer(text).input_ids
    assert ids == [257, *text.encode()]
    assert byte_tokenizer.decode(ids, skip_special_tokens=True) == text


def test_byte_specials(byte_tokenizer) -> None:
    assert (byte_tokenizer.pad_token_id, byte_tokenizer.bos_token_id, byte_tokenizer.eos_token_id) == (256, 257, 258)
    assert len(byte_tokenizer) == 259
    assert byte_tokenizer("a<eos>b").input_ids == [257, 97, 258, 98]
    assert byte_tokenizer("a", "b").input_ids == [257, 97, 257, 98]
    assert byte_tokenizer.model_max_length == 128
    padded = byte_tokenizer(["a", "abc"], padding=True).input_ids
    assert [row.count(256) for row in padded] == [2, 0]


def test_a_saved_byte_tokenizer_survives_saving_again(byte_tokenizer, tmp_path: Path) -> None:
    byte_tokenizer.save_pretrained(tmp_path)
    assert AutoTokenizer.from_pretrained(tmp_path)("한글 é").input_ids == byte_tokenizer("한글 é").input_ids


def test_add_bos_false_is_honoured(tmp_path: Path) -> None:
    save(tmp_path, {**BYTE, "add_bos": False})
    assert AutoTokenizer.from_pretrained(tmp_path)("ab").input_ids == [97, 98]


@pytest.mark.parametrize(("pad_token", "pad"), [("<void>", 256), ("<eos>", 258)])
def test_pad_token_is_honoured(tmp_path: Path, pad_token: str, pad: int) -> None:
    saved = save(tmp_path, {**BYTE, "pad_token": pad_token})
    assert saved.ids == SpecialIds(bos=257, eos=258, pad=pad)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert (loaded.pad_token, loaded.pad_token_id, len(loaded)) == (pad_token, pad, 259)


@pytest.mark.slow
def test_the_transition_token_is_one_token(tmp_path: Path, published: Path) -> None:
    for name, contract, expected in (
        ("byte", BYTE, 259),
        ("known", BYTE, 258),
        ("published", {"type": "hf", "pretrained": str(published)}, None),
    ):
        directory, token = tmp_path / name, "<eos>" if name == "known" else "</think>"
        directory.mkdir()
        sizes = {"vocab_size": 512, "max_length": 128}
        saved = save_tokenizer(contract, directory, transition=token, **sizes)
        loaded = AutoTokenizer.from_pretrained(directory)
        end = saved.ids.transition
        assert end == (len(loaded) - 1 if expected is None else expected)
        assert loaded(f"ab{token}c", add_special_tokens=False).input_ids.count(end) == 1
        assert loaded.decode([end], skip_special_tokens=True) == ""


def test_a_vocabulary_too_small_for_bytes_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CompileError) as caught:
        save(tmp_path, BYTE, vocab_size=258)
    assert caught.value.diagnostics[0].params == {"vocab_size": 258, "needed": 259}


def test_skip_writes_nothing(tmp_path: Path) -> None:
    assert save(tmp_path, BYTE, mode="skip").exists is False
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("add_bos", [True, False])
def test_a_published_tokenizer_is_saved_as_the_contract_says(tmp_path: Path, published: Path, add_bos: bool) -> None:
    contract = {"type": "hf", "pretrained": str(published), "add_bos": add_bos, "pad_token": "<|endoftext|>"}
    saved = save(tmp_path, contract)
    assert saved == module.SavedTokenizer(exists=True, ids=SpecialIds(bos=0, eos=0, pad=0))
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    ids = loaded("hello world").input_ids
    assert (ids[0] == 0) is add_bos
    assert loaded.decode(ids, skip_special_tokens=True) == "hello world"
    assert loaded.model_max_length == 128
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert "local_files_only" not in config
    assert str(published) not in json.dumps(config)


@pytest.mark.slow
def test_a_published_tokenizer_that_does_not_fit_is_left_out(tmp_path: Path, published: Path) -> None:
    contract = {"type": "hf", "pretrained": str(published)}
    saved = save(tmp_path, contract, vocab_size=100)
    assert [d.code for d in saved.warnings] == ["tokenizer-too-large"]
    assert not saved.exists
    assert list(tmp_path.iterdir()) == []


def test_offline_and_uncached_is_a_warning_or_under_require_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    directory = tmp_path / "out"
    directory.mkdir()
    contract = {"type": "hf", "pretrained": "nobody/nothing"}
    saved = save(directory, contract)
    assert [(d.code, d.fix) for d in saved.warnings] == [("tokenizer-unavailable", "fix_offline")]
    assert "nobody/nothing" in str(saved.warnings[0])
    assert list(directory.iterdir()) == []
    with pytest.raises(CompileError):
        save(directory, contract, mode="require")


def test_a_hub_that_never_answers_costs_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("HF_HUB_OFFLINE", "0")
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(module, "HUB_SECONDS", 1.0)
        directory = tmp_path / "out"
        directory.mkdir()
        start = time.monotonic()
        saved = save(directory, {"type": "hf", "pretrained": "nobody/nothing"})
        assert time.monotonic() - start < 30
    assert [(d.code, d.fix) for d in saved.warnings] == [("tokenizer-unavailable", "fix_timeout")]


def test_the_byte_tokenizer_needs_neither_torch_nor_transformers(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from eulerstack.compiler.tokenizer import save_tokenizer\n"
        f"save_tokenizer({BYTE!r}, Path({str(tmp_path)!r}), vocab_size=259, max_length=8)\n"
        "print(sorted({'torch', 'transformers', 'huggingface_hub'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
