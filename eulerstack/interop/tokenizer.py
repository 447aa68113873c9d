"""The tokenizer's files beside an imported model: copied as they are, never loaded."""

import json
import shutil
from pathlib import Path

FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "spiece.model",
    "chat_template.jinja",
    "chat_template.json",
)
"""What tokenizers of the families are made of."""


def copy_tokenizer(source: Path, target: Path) -> list[str]:
    """Copy the files that are there; their names."""
    copied = [name for name in FILES if (source / name).is_file()]
    for name in copied:
        shutil.copyfile(source / name, target / name)
    return copied


def adds_bos(directory: Path, default: bool) -> bool:
    """Whether the tokenizer puts a bos in front, as its config says."""
    try:
        written = json.loads((directory / "tokenizer_config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return default
    value = written.get("add_bos_token") if isinstance(written, dict) else None
    return value if isinstance(value, bool) else default
