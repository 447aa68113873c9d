"""A byte tokenizer as compiled directories have it, and texts."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from eulerstack.compiler.tokenizer import save_tokenizer

BOS, EOS = 257, 258


@cache
def byte_tokenizer(add_bos: bool = True) -> PreTrainedTokenizerBase:
    with TemporaryDirectory() as directory:
        contract = {"type": "byte", "add_bos": add_bos}
        save_tokenizer(contract, Path(directory), vocab_size=259, max_length=64)
        return AutoTokenizer.from_pretrained(directory)


def write_documents(folder: Path, count: int = 40) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        (folder / f"{index:02}.txt").write_text(f"document {index}\n" * (index % 5 + 1), "utf-8")
    return folder
