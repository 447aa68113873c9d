from pathlib import Path

import pytest
from transformers import AutoTokenizer

from eulerstack.diagnostics import EulerStackError
from eulerstack.training.data import open_source, prepare
from eulerstack.training.data.bpe import train_bpe
from tests.training.data.words import write_documents


def test_a_tokenizer_trained_on_a_text_says_it_shorter(tmp_path: Path) -> None:
    source = open_source(str(write_documents(tmp_path / "text")))
    train_bpe(source, 300, tmp_path / "bpe")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "bpe")
    assert len(tokenizer) <= 300
    text = "document 7\n날"
    ids = tokenizer(text).input_ids
    assert ids[0] == tokenizer.bos_token_id
    assert tokenizer.decode(ids, skip_special_tokens=True) == text
    store = prepare(source, tokenizer, add_eos=True, cache=tmp_path / "cache")
    assert store.train.tokens_per_byte < 0.5
    assert store.train.tokens[-1] == tokenizer.eos_token_id


def test_it_is_the_same_every_time(tmp_path: Path) -> None:
    source = open_source(str(write_documents(tmp_path / "text")))
    for name in ("one", "two"):
        train_bpe(source, 280, tmp_path / name)
    assert (tmp_path / "one" / "tokenizer.json").read_bytes() == (tmp_path / "two" / "tokenizer.json").read_bytes()


def test_a_vocabulary_without_room_for_merges(tmp_path: Path) -> None:
    source = open_source(str(write_documents(tmp_path / "text")))
    with pytest.raises(EulerStackError, match="at least 260"):
        train_bpe(source, 259, tmp_path / "bpe")
