"""The model card: README.md of a compiled directory, as the HuggingFace hub shows it."""

from dataclasses import dataclass

from eulerstack import i18n
from eulerstack.drawing import NoLayoutEngineError, draw
from eulerstack.ir.fold import Run, fold
from eulerstack.ir.nodes import Integrator, Layer, Model, Parallel
from eulerstack.ir.totals import count

DRAWING = "architecture.svg"

_CARD = """\
---
library_name: transformers
pipeline_tag: text-generation
license: {license}
tags:
- eulerstack
---

# {name}

{intro}

| {property} | {value} |
|---|---|
{rows}

## {schedule_title}

{schedule}

## {use_title}

```python
{code}
```

{files}
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a card tells beyond the model: the directory's name, whether a tokenizer is in it, the weights' seed.

    `seed` None: the weights were not drawn but came from elsewhere.
    """

    directory: str
    has_tokenizer: bool
    seed: int | None


def model_card(model: Model, facts: Facts, *, drawn: bool) -> str:
    """The card's text in the current language; `drawn`: the picture stands beside it."""
    folded = f"```\n{schedule_text(fold(model.schedule))}\n```"
    return _CARD.format(
        name=model.name,
        license="other" if facts.seed is None else "apache-2.0",  # imported weights keep the terms they came with
        intro=_text("intro_given") if facts.seed is None else _text("intro_drawn", seed=facts.seed),
        property=_text("property"),
        value=_text("value"),
        rows="\n".join(f"| {name} | {value} |" for name, value in _rows(model)),
        schedule_title=_text("schedule"),
        schedule=f"![{model.name}]({DRAWING})" if drawn else folded,
        use_title=_text("use"),
        code=_code(facts),
        files=_text("files"),
    )


def drawing_of(model: Model) -> str | None:
    """The schedule as SVG, or None where this machine cannot lay it out."""
    try:
        return draw(model).svg
    except NoLayoutEngineError:
        return None


def _text(key: str, **params: object) -> str:
    return i18n.text("compiler", f"card.{key}", **params)


def _rows(model: Model) -> list[tuple[str, object]]:
    totals = count(model)
    return [
        (_text("parameters"), f"{totals.total:,}"),
        (_text("active"), f"{totals.active:,}"),
        (_text("layers"), len(model.schedule)),
        ("d_model", model.d_model),
        ("n_heads / n_kv_heads / head_dim", f"{model.n_heads} / {model.n_kv_heads} / {model.head_dim}"),
        ("vocab_size", model.vocab_size),
        ("max_seq_len", model.max_seq_len),
        ("positional", model.embedding.positional),
        ("dtype", model.dtype),
        ("tokenizer", model.tokenizer.get("pretrained") or model.tokenizer["type"]),
    ]


def schedule_text(runs: tuple[Run, ...], indent: str = "") -> str:
    """The folded schedule, one line for each run."""
    lines = []
    for run in runs:
        times = f"{run.repeat} × "
        if run.leaf is None:
            inner = tuple(part for part in run.body if isinstance(part, Run))
            lines += [f"{indent}{times}(", schedule_text(inner, indent + "  "), f"{indent})"]
        else:
            lines.append(f"{indent}{times}{_node_text(run.leaf)}")
    return "\n".join(lines)


def _node_text(node: Layer | Parallel | Integrator) -> str:
    match node:
        case Layer():
            return node.block
        case Parallel():
            bodies = (f"{stream.name}: {_body_text(stream.body)}" for stream in node.streams)
            return f"({' ∥ '.join(bodies)}) → {node.merge.type}"
        case Integrator():
            return f"{node.type} × {node.steps} ({_body_text(node.body)})"


def _body_text(layers: tuple[Layer, ...]) -> str:
    return schedule_text(fold(layers)).replace("\n", ", ")


def _code(facts: Facts) -> str:
    imports = ["AutoModelForCausalLM"] + ["AutoTokenizer"] * facts.has_tokenizer
    loading = [f'model = AutoModelForCausalLM.from_pretrained("{facts.directory}", trust_remote_code=True)']
    if facts.has_tokenizer:
        loading.append(f'tokenizer = AutoTokenizer.from_pretrained("{facts.directory}", trust_remote_code=True)')
    return "\n".join([f"from transformers import {', '.join(imports)}", "", *loading])
