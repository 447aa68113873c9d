"""The files beside an imported model, its tokenizer's and its licence: copied as they are, never loaded."""

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

TERMS = ("LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE", "USE_POLICY.md")
"""The terms that the weights come with."""


def copy_tokenizer(source: Path, target: Path) -> list[str]:
    """Copy the tokenizer's files that are there, and the licence; the names of the tokenizer's."""
    present = [name for name in (*FILES, *TERMS) if (source / name).is_file()]
    for name in present:
        shutil.copyfile(source / name, target / name)
    return [name for name in present if name in FILES]


def adds_bos(directory: Path, default: bool) -> bool:
    """Whether the tokenizer puts a bos in front, as its config says."""
    try:
        written = json.loads((directory / "tokenizer_config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return default
    value = written.get("add_bos_token") if isinstance(written, dict) else None
    return value if isinstance(value, bool) else default
