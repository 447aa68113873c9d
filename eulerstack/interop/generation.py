"""generation_config.json of an imported directory: its values are data and come along."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILE = "generation_config.json"
OURS = ("transformers_version", "_from_model_config", "cache_implementation", "cache_config")
"""What is not carried over: who wrote it, and caches that only the original's class has."""


def generation_config(directory: Path, tokens: Mapping[str, Any]) -> dict[str, Any]:
    """What stands in the file; without one, the special tokens of config.json, which transformers takes then."""
    try:
        written = json.loads((directory / FILE).read_text("utf-8"))
    except (OSError, ValueError):
        written = None
    if not isinstance(written, dict):
        return dict(tokens)
    return {key: value for key, value in written.items() if key not in OURS}
