"""A tokenizer made for a text: byte-level BPE (Sennrich 2016, as GPT-2 has it), trained on what models train on."""

import json
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from eulerstack.diagnostics import error, reason
from eulerstack.training.data.sources import Source
from eulerstack.training.data.split import split

PAD, BOS, EOS = "<pad>", "<bos>", "<eos>"
BYTES = 256


def train_bpe(source: Source, vocab_size: int, directory: Path) -> None:
    """Write a tokenizer of at most `vocab_size` tokens (256 bytes and three specials among them) into `directory`.

    Raises ValidationError for a vocabulary without room for merges, and where the directory cannot be written.
    """
    if vocab_size <= BYTES + 3:
        raise error("bpe-small", params={"size": vocab_size, "least": BYTES + 4})
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_training_text(source), trainer)
    bos = tokenizer.token_to_id(BOS)
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, bos)])
    config = {"tokenizer_class": "TokenizersBackend", "pad_token": PAD, "bos_token": BOS, "eos_token": EOS}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        tokenizer.save(str(directory / "tokenizer.json"))
        (directory / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    except Exception as failure:  # tokenizers raises a bare Exception
        raise error("cannot-write", params={"path": directory, "reason": reason(failure)}) from None


def _training_text(source: Source) -> Iterator[str]:
    return (text for text, held_out in split(source.documents()) if not held_out)
