"""Reading a family's config.json so that every key is accounted for: taken, known to be irrelevant, or refused.

The file is read as JSON and nothing else; no code of the directory runs. Mistakes are collected and raised together.
"""

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eulerstack.diagnostics import Diagnostic, Reason, Source, Span, collect, error, reason

FILE = "config.json"
LARGEST_FILE = 1 << 24

GENERATION = frozenset(
    {
        "max_length",
        "min_length",
        "do_sample",
        "use_cache",
        "early_stopping",
        "num_beams",
        "temperature",
        "top_k",
        "top_p",
        "typical_p",
        "repetition_penalty",
        "length_penalty",
        "no_repeat_ngram_size",
        "encoder_no_repeat_ngram_size",
        "bad_words_ids",
        "num_return_sequences",
        "output_scores",
        "return_dict_in_generate",
        "forced_bos_token_id",
        "forced_eos_token_id",
        "remove_invalid_values",
        "exponential_decay_length_penalty",
        "suppress_tokens",
        "begin_suppress_tokens",
        "epsilon_cutoff",
        "eta_cutoff",
        "encoder_repetition_penalty",
        "num_assistant_tokens",
        "num_assistant_tokens_schedule",
        "assistant_confidence_threshold",
        "assistant_lookbehind",
        "target_lookbehind",
        "num_beam_groups",
        "diversity_penalty",
    }
)
"""Parameters of generation that old configs carry: transformers drops them when it loads a config."""

IRRELEVANT: dict[str, str] = {
    "model_type": "chose the family",
    "architectures": "checked when the family was chosen",
    "_name_or_path": "where it was loaded from",
    "name_or_path": "where it was loaded from",
    "_commit_hash": "a revision of the repository",
    "transformers_version": "who wrote it",
    "output_attentions": "what a forward pass returns beside the logits",
    "output_hidden_states": "what a forward pass returns beside the logits",
    "return_dict": "the form of what a forward pass returns",
    "use_return_dict": "the form of what a forward pass returns",
    "tie_last_hidden_states": "what a forward pass returns beside the logits",
    "id2label": "labels of a classification head",
    "label2id": "labels of a classification head",
    "num_labels": "labels of a classification head",
    "problem_type": "loss of a classification head",
    "finetuning_task": "a note",
    "task_specific_params": "generation parameters per task, read by pipelines only",
    "prefix": "generation prompt, read by pipelines only",
    "tokenizer_class": "the tokenizer",
    "sep_token_id": "a token id that no decoder reads",
    "cls_token_id": "a token id that no decoder reads",
    "decoder_start_token_id": "a token id that no decoder-only model reads",
    "torchscript": "how a model is exported",
    "use_bfloat16": "TPUs, long gone",
    "tf_legacy_loss": "TensorFlow, long gone",
    "gradient_checkpointing": "memory, not results",
    "attn_implementation": "how attention is computed, not what",
    "_attn_implementation": "how attention is computed, not what",
    "experts_implementation": "how experts are computed, not what",
    "_experts_implementation": "how experts are computed, not what",
    "cache_implementation": "how keys and values are stored while generating",
    "output_past": "what a forward pass returned long ago",
}
"""Keys of any family that do not change what the model computes, each with the reason."""

NEUTRAL: dict[str, tuple[Any, ...]] = {
    "is_decoder": (False, True),
    "is_causal": (True,),
    "is_encoder_decoder": (False,),
    "add_cross_attention": (False,),
    "cross_attention_hidden_size": (None,),
    "tie_encoder_decoder": (False,),
    "chunk_size_feed_forward": (0,),
    "pruned_heads": (None, {}),
    "per_layer_config": (None, {}),
    "quantization_config": (None,),
    "auto_map": (None, {}),
    "num_mtp_layers": (None, 0),
    "kv_sharing_modes": (None,),
}
"""Keys of any family that are understood at these values only."""


class Config:
    """The mapping in config.json. Each reading method takes one key; `finish` refuses what nobody took.

    A method whose value is wrong notes the mistake and answers with the default, so that one run finds all of them.
    """

    def __init__(self, plain: Mapping[str, Any], source: Source, aliases: Mapping[str, str] | None = None):
        self.source = source
        self._plain = dict(plain)
        self._names: dict[str, str] = {}
        self._taken: set[str] = set()
        self._wrong: list[Diagnostic] = []
        for alias, name in (aliases or {}).items():
            if alias in self._plain:
                self._plain[name] = self._plain.pop(alias)
                self._names[name] = alias

    @property
    def model_type(self) -> str:
        """The family's name."""
        return str(self._plain.get("model_type"))

    def has(self, key: str) -> bool:
        """Whether the key is written with a value other than null."""
        return self._plain.get(key) is not None

    def part(self, plain: Mapping[str, Any]) -> "Config":
        """A config of some of the keys, by other names perhaps, whose mistakes are this one's."""
        part = Config(plain, self.source)
        part._wrong = self._wrong
        return part

    def assume(self, key: str, value: Any) -> None:
        """Read `key` as this value where it is not written, or null."""
        if not self.has(key):
            self._plain[key] = value

    def value(self, key: str, default: Any = None) -> Any:
        """The raw value at `key`, taken as it is; the caller checks it."""
        self._taken.add(key)
        return self._plain.get(key, default)

    def integer(self, key: str, default: int, least: int = 1) -> int:
        """A whole number of at least `least`."""
        value = self.value(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            self._mistyped(key, f"integer ≥ {least}", value)
            return default
        return value

    def optional_integer(self, key: str, default: int | None = None, least: int = 1) -> int | None:
        """A whole number of at least `least`, or null."""
        value = self.value(key, default)
        return None if value is None else self.integer(key, least if default is None else default, least)

    def number(self, key: str, default: float, least: float = 0.0) -> float:
        """A finite number of at least `least`."""
        value = self.value(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < least:
            self._mistyped(key, f"number ≥ {least:g}", value)
            return default
        return float(value)

    def positive(self, key: str, default: float) -> float:
        """A finite number above 0."""
        value = self.number(key, default)
        if value == 0:
            self._mistyped(key, "number > 0", value)
            return default
        return value

    def optional_positive(self, key: str, default: float | None = None) -> float | None:
        """A finite number above 0, or null."""
        value = self.value(key, default)
        return None if value is None else self.positive(key, default or 1.0)

    def probability(self, key: str, default: float) -> float:
        """A number in [0, 1)."""
        value = self.value(key, default)
        value = self.number(key, default) if value is not None else 0.0
        if value >= 1:
            self._mistyped(key, "number ∈ [0, 1)", value)
            return default
        return value

    def boolean(self, key: str, default: bool) -> bool:
        """true or false."""
        value = self.value(key, default)
        if not isinstance(value, bool):
            self._mistyped(key, "true | false", value)
            return default
        return value

    def choice(self, key: str, default: str, meanings: Mapping[str, str]) -> str:
        """A word, translated by `meanings`; a word without a meaning in the language is refused by name."""
        value = self.value(key, default)
        if not isinstance(value, str) or value not in meanings:
            self.refuse(key, value, ", ".join(sorted(meanings)))
            return meanings[default]
        return meanings[value]

    def tokens(self, key: str, default: int | None) -> int | list[int] | None:
        """A token's id, a list of them, or null."""
        value = self.value(key, default)
        ids = value if isinstance(value, list) else [value]
        if value is not None and not all(isinstance(i, int) and not isinstance(i, bool) for i in ids):
            self._mistyped(key, "integer | [integer, …] | null", value)
            return None
        return value

    def token_below(self, key: str, token: Any, vocab_size: int) -> None:
        """Refuse an id that an embedding table cannot have; as in torch, a negative one counts from the end."""
        if not isinstance(token, int) or not -vocab_size <= token < vocab_size:
            self.refuse(key, token, f"null | integer < vocab_size = {vocab_size}")

    def dtype(self) -> str | None:
        """The type that the weights are loaded in: `dtype`, or `torch_dtype` as it was called; None if unwritten."""
        key = "dtype" if self.has("dtype") else "torch_dtype"
        self.ignore("dtype", "torch_dtype")
        value = self._plain.get(key)
        if value is not None and value not in ("float32", "float16", "bfloat16"):
            self.refuse(key, value, "float32, float16, bfloat16")
            return None
        return value

    def neutral(self, key: str, *allowed: Any) -> None:
        """Take `key` if written, and refuse any value but these."""
        if key in self._plain and not any(_same(self._plain[key], value) for value in allowed):
            self.refuse(key, self._plain[key], ", ".join(json.dumps(value) for value in allowed))
        self._taken.add(key)

    def ignore(self, *keys: str) -> None:
        """Take keys that do not change what the model computes."""
        self._taken.update(keys)

    def refuse(self, key: str, value: Any, allowed: str) -> None:
        """Note that the value of `key` cannot be expressed; `allowed` says what can."""
        params = {"key": self._name(key), "value": _shown(value), "allowed": allowed}
        self._wrong.append(Diagnostic(code="import-unsupported-value", span=self.span(key), params=params))

    def finish(self) -> None:
        """Raise everything that is wrong, keys that nobody took included."""
        self.ignore(*IRRELEVANT, *GENERATION)
        for key, allowed in NEUTRAL.items():
            if key not in self._taken:
                self.neutral(key, *allowed)
        for key in self._plain:
            if key not in self._taken:
                params = {"key": self._name(key), "value": _shown(self._plain[key]), "family": self.model_type}
                self._wrong.append(Diagnostic(code="import-unknown-key", span=self.span(key), params=params))
        if self._wrong:
            raise collect(self._wrong)

    def span(self, key: str) -> Span | None:
        """Where the (last part of the dotted) key stands in the file, for messages."""
        return locate(self.source, self._name(key).rsplit(".", 1)[-1])

    def _name(self, key: str) -> str:
        return self._names.get(key, key)

    def _mistyped(self, key: str, expected: str, value: Any) -> None:
        params = {"key": self._name(key), "expected": expected, "value": _shown(value)}
        self._wrong.append(Diagnostic(code="import-value-type", span=self.span(key), params=params))


def read_config(directory: Path) -> tuple[dict[str, Any], Source]:
    """The mapping in `directory`/config.json and its text. Raises EulerStackError."""
    path = directory / FILE
    if not directory.is_dir():
        raise error("import-no-directory", params={"path": str(directory)})
    if not path.is_file():
        raise error("import-no-config", params={"path": str(directory)})
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ValueError(Reason("too-large", {"limit": LARGEST_FILE}))
        text = path.read_text("utf-8")
        plain = json.loads(text)
    except (OSError, ValueError, RecursionError) as failure:
        raise error("import-unreadable", params={"path": str(path), "reason": reason(failure)}) from failure
    if not isinstance(plain, dict):
        raise error("import-unreadable", params={"path": str(path), "reason": Reason("not-object")})
    return plain, Source(str(path), text)


def locate(source: Source, key: str) -> Span | None:
    """The first place in a JSON text where `"key":` stands."""
    found = re.search(rf'"{re.escape(key)}"\s*:', source.text)
    if not found:
        return None
    line = source.text.count("\n", 0, found.start()) + 1
    column = found.start() - source.text.rfind("\n", 0, found.start())
    return Span(source, line, column, line, column + len(key) + 2)


def _same(a: Any, b: Any) -> bool:
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
