"""Reading a HuggingFace directory of a known family: config.json, and what only the weights tell → a spec.

What the language cannot say exactly is refused by the name that it bears in config.json.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eulerstack.compiler.config import MODEL_TYPE
from eulerstack.diagnostics import Diagnostic, EulerStackError, Severity, Source, collect, error
from eulerstack.dsl import relative_lookup, resolve
from eulerstack.interop.checkpoint import Checkpoint
from eulerstack.interop.config import Config, read_config
from eulerstack.interop.families import FAMILIES, Family
from eulerstack.interop.plain import Parts, Plain, plain
from eulerstack.interop.tokenizer import adds_bos
from eulerstack.interop.weights import Assignment, Rule, assign
from eulerstack.ir import Model, lower, parameter_table
from eulerstack.ir.print import SPEC_FILE
from eulerstack.ir.yaml_text import dump
from eulerstack.schema import check

TOKENS = ("bos_token_id", "eos_token_id", "pad_token_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a directory means: its family, the spec as YAML, and the model that the spec lowers to.

    `rules`: where tensors come from whose places depend on the config's numbers, before the family's own.
    `tokens`: the special token ids as config.json has them. `warnings`: what the user should know.
    """

    family: Family
    rules: tuple[Rule, ...]
    source: Source
    model: Model
    tokens: Mapping[str, Any]
    warnings: tuple[Diagnostic, ...]

    def assignments(self) -> tuple[Assignment, ...]:
        """Where each tensor of our model comes from, in the order of our model."""
        experts = max((getattr(block.ffn, "experts", 0) for block in self.model.blocks), default=0)
        names = [parameter.name for parameter in parameter_table(self.model)]
        return tuple(assign((*self.rules, *self.family.rules), names, experts))


def read(directory: Path, checkpoint: Checkpoint | None = None) -> Reading:
    """The meaning of a HuggingFace directory. Raises EulerStackError with the key of config.json that cannot be said.

    `checkpoint` tells what config.json does not: a stored type that it leaves out, and whether a tie holds.
    """
    written, text = read_config(directory)
    family = family_of(written, text)
    config = Config(written, text, family.aliases)
    parts = family.read(config)
    tokens = {key: config.tokens(key, family.tokens.get(key)) for key in TOKENS}
    dtype = config.dtype()
    if tokens["pad_token_id"] is not None and family.freezes_padding:
        config.token_below("pad_token_id", tokens["pad_token_id"], parts.shape.vocab_size)
        parts.embedding["train_padding"] = False
    config.finish()

    warnings: list[Diagnostic] = []
    if checkpoint is not None:
        if parts.tied and not ties(checkpoint, family):
            parts.tied = False
            params = {"head": family.head, "embedding": family.embedding}
            warnings.append(Diagnostic(code="import-untied", span=config.span("tie_word_embeddings"), params=params))
        dtype = dtype or checkpoint.dtype(next(name for name in checkpoint.names()))
    spec = plain(
        parts,
        name=model_name(written, directory),
        family=family.model_type,
        dtype=dtype or "float32",
        tokenizer=tokenizer(written, directory, family),
    )
    source = Source(SPEC_FILE, header(family, parts) + dump(spec))
    return Reading(
        family=family,
        rules=parts.rules,
        source=source,
        model=lowered(source),
        tokens=tokens,
        warnings=tuple(warnings),
    )


def family_in(directory: Path) -> Family:
    """The family of the model in a directory. Raises EulerStackError where it is none of ours."""
    return family_of(*read_config(directory))


def family_of(written: Mapping[str, Any], text: Source) -> Family:
    """The family by `model_type`; code of the directory's own and other heads are refused."""
    name = written.get("model_type")
    if not isinstance(name, str) or name not in FAMILIES:
        spec = Path(text.name).with_name(SPEC_FILE)
        params = {"path": text.name, "value": name, "families": ", ".join(FAMILIES), "spec": spec}
        raise error("import-unknown-family", params=params, fix="fix_own" if name == MODEL_TYPE else "fix")
    if written.get("auto_map"):
        raise error("import-foreign-code", params={})
    family = FAMILIES[name]
    heads = written.get("architectures") or []
    if not isinstance(heads, list) or any(head not in family.architectures for head in heads):
        params = {"value": heads, "allowed": family.architectures[0]}
        raise error("import-foreign-head", params=params)
    return family


def ties(checkpoint: Checkpoint, family: Family) -> bool:
    """Whether the readout is the embedding. transformers unties two tables that both stand there and differ."""
    both = family.head in checkpoint and family.embedding in checkpoint
    return not both or checkpoint.equal(family.head, family.embedding)


def model_name(written: Mapping[str, Any], directory: Path) -> str:
    """A name for the model: the repository's, else the directory's."""
    origin = str(written.get("_name_or_path") or "") or directory.resolve().name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", Path(origin).name).strip("-") or str(written["model_type"])


def tokenizer(written: Mapping[str, Any], directory: Path, family: Family) -> Plain:
    """`tokenizer_contract`: the repository that the directory came from, else the directory itself."""
    origin = str(written.get("_name_or_path") or "")
    is_repository = re.fullmatch(r"[\w.-]+/[\w.-]+", origin) and not Path(origin).exists()
    return {
        "type": "hf",
        "pretrained": origin if is_repository else str(directory),
        "add_bos": adds_bos(directory, family.add_bos),
    }


def header(family: Family, parts: Parts) -> str:
    """The comment on top of an imported spec."""
    return f"# Imported from a {family.model_type} config.json of {parts.shape.layers} layers, exactly.\n"


def lowered(source: Source) -> Model:
    """The model that an imported spec means. What the language refuses (sizes beyond its limits) is refused here."""
    try:
        checked = check(resolve(source, relative_lookup))
        errors = [finding for finding in checked.diagnostics if finding.severity is Severity.ERROR]
        if errors or checked.spec is None:
            raise collect(errors)
        return lower(checked.spec)
    except EulerStackError as refusal:
        told = [
            Diagnostic(code="import-beyond-language", params={"message": d.message, "remedy": d.remedy})
            for d in refusal.diagnostics
        ]
        raise collect(told) from refusal
