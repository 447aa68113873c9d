"""A text seen through a model's tokenizer, before anything is trained."""

from pathlib import Path
from tempfile import TemporaryDirectory

from transformers import AutoTokenizer, PreTrainedTokenizerBase
from transformers.utils import logging

from eulerstack.compiler.tokenizer import save_tokenizer
from eulerstack.ir import Model
from eulerstack.training.data.sources import open_source
from eulerstack.training.data.store import Report, Store, prepare

SHOWN = 240
"""Tokens of the sample."""


def look(
    model: Model, compiled: Path | None, name: str, column: str | None, tokenizer: str | None, report: Report
) -> tuple[Store, str]:
    """The tokens of a text for a model, whose tokenizer is in its compiled directory or made here, or for another in a
    directory; and how the text begins. Raises EulerStackError where text or tokenizer are missing.
    """
    logging.set_verbosity_error()
    source = open_source(name, column)
    words = _tokenizer(model, compiled, tokenizer)
    store = prepare(source, words, add_eos=model.tokenizer["add_eos"], report=report)
    store.check_vocabulary(model.vocab_size)
    return store, str(words.decode(store.train.tokens[:SHOWN].tolist()))


def _tokenizer(model: Model, compiled: Path | None, written: str | None) -> PreTrainedTokenizerBase:
    if written or compiled:
        return AutoTokenizer.from_pretrained(written or compiled, trust_remote_code=True)
    with TemporaryDirectory(prefix="eulerstack-tokenizer-") as directory:
        save_tokenizer(
            model.tokenizer, Path(directory), vocab_size=model.vocab_size, max_length=model.max_seq_len, mode="require"
        )
        return AutoTokenizer.from_pretrained(directory)
