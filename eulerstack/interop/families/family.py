"""What the importer needs to know of a model family."""

from collections.abc import Callable
from dataclasses import dataclass, field

from eulerstack.interop.config import Config
from eulerstack.interop.plain import Parts
from eulerstack.interop.weights import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One `model_type` of transformers.

    - read: its config → the parts of a spec.
    - rules: where our tensors come from, by the names in a checkpoint of the causal language model.
    - prefix: what the names in a checkpoint of the bare model lack.
    - head, embedding: the two names that tying joins.
    - ignored: patterns of tensors that old checkpoints carry and transformers skips.
    - aliases: other names of keys that transformers reads too.
    - tokens: the ids that transformers assumes where config.json has none.
    - freezes_padding: whether the pad token's row of the embedding gets no gradient from being looked up.
    - layers_beyond: whether checkpoints hold layers after the last, of modules that the class does not have.
    - add_bos: what the family's tokenizers do unless theirs says otherwise.
    """

    model_type: str
    architectures: tuple[str, ...]
    read: Callable[[Config], Parts]
    rules: tuple[Rule, ...]
    prefix: str = "model."
    embedding: str = "model.embed_tokens.weight"
    head: str = "lm_head.weight"
    ignored: tuple[str, ...] = (r"rotary_emb\.inv_freq$",)
    aliases: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, int | None] = field(default_factory=dict)
    freezes_padding: bool = True
    layers_beyond: bool = False
    add_bos: bool = True
