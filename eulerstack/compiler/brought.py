"""What an import brings along, in place of what compiling makes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eulerstack.compiler.tokenizer import SavedTokenizer
from eulerstack.compiler.weights import Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """`stream` gives the values of the tensors, `dtypes` their stored types; `tokenizer` puts its files into the
    directory; `generation` is the content of generation_config.json.
    """

    stream: Stream
    dtypes: Mapping[str, str]
    tokenizer: Callable[[Path], SavedTokenizer]
    generation: dict[str, Any]
