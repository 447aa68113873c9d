"""`layer_schedule`: plain, parallel, integrator and group entries."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from eulerstack.schema.base import Keys, Probability, Size
from eulerstack.schema.ffn import Activation
from eulerstack.schema.sections import Text
from eulerstack.schema.template import NormPosition, NormType, Scaling


class OverrideKeys(Keys):
    """`override`: what one entry changes of its template. Keys are dotted; nested mappings mean the same."""

    residual_scaling: Annotated[Scaling | None, Field(alias="residual.scaling")] = None
    attention_window: Annotated[Size | None, Field(alias="attention.window")] = None
    attention_attn_drop: Annotated[Probability | None, Field(alias="attention.attn_drop")] = None
    norm_type: Annotated[NormType | None, Field(alias="norm.type")] = None
    norm_position: Annotated[NormPosition | None, Field(alias="norm.position")] = None
    ffn_activation: Annotated[Activation | None, Field(alias="ffn.activation")] = None


class DepthGatingKeys(Keys):
    """`depth_gating`: only some tokens pass the layer (Mixture-of-Depths, Raposo 2024)."""

    enabled: bool = True
    capacity: Annotated[float, Field(gt=0, le=1)] = 0.5
    router: Literal["top_k", "learned_gate"] = "top_k"


class PlainKeys(Keys):
    """An entry that repeats one template."""

    template: Text
    repeat: Size = 1
    override: OverrideKeys | None = None
    depth_gating: DepthGatingKeys | None = None
    share: Text | None = None
    kv_from: Annotated[int, Field(lt=0, ge=-10_000)] | None = None


class StreamKeys(Keys):
    """One stream of a parallel entry."""

    stream: Text
    body: Annotated[list[PlainKeys], Field(min_length=1)]


class MergeKeys(Keys):
    """`merge`: how the streams' changes become one. `source` and `target` are written `from` and `to`."""

    type: Literal["concat", "add", "gated", "cross_attn"] = "concat"
    projection: bool = True
    source: Annotated[Text | None, Field(alias="from")] = None
    target: Annotated[Text | None, Field(alias="to")] = None


class ParallelKeys(Keys):
    """An entry of streams side by side."""

    parallel: Annotated[list[StreamKeys], Field(min_length=2)]
    merge: MergeKeys = MergeKeys.model_construct()


def _body_form(value: Any) -> str:
    return "<name>" if isinstance(value, str) else "<list>"


Body = Annotated[
    Annotated[Text, Tag("<name>")] | Annotated[list[PlainKeys], Field(min_length=1), Tag("<list>")],
    Discriminator(_body_form),
]
"""A template's name, or a list of plain entries."""


class IntegratorKeys(Keys):
    """`integrator`: a body applied step by step (Universal Transformer), or integrated as an ODE."""

    type: Literal["discrete", "ode_euler", "ode_rk4"]
    steps: Annotated[int, Field(ge=1, le=10_000)]
    body: Body
    output: Literal["token", "hidden"] = "hidden"


class IntegratorEntryKeys(Keys):
    """An entry that is an integrator."""

    integrator: IntegratorKeys


class GroupKeys(Keys):
    """An entry that repeats a list of entries; groups nest."""

    group: Annotated[list["EntryKeys"], Field(min_length=1)]
    repeat: Size = 1


KINDS: dict[str, type[Keys]] = {
    "template": PlainKeys,
    "parallel": ParallelKeys,
    "integrator": IntegratorEntryKeys,
    "group": GroupKeys,
}
"""An entry's kind is told by the one of these keys that it has."""


def kind_of(entry: Any) -> str | None:
    """Which of `KINDS` an entry is: by its only kind key; without any, plain; with several, None."""
    if isinstance(entry, dict):
        found = [kind for kind in KINDS if kind in entry]
        return found[0] if len(found) == 1 else None if found else "template"
    return next((kind for kind, keys in KINDS.items() if isinstance(entry, keys)), "template")


def _tag(entry: Any) -> str | None:
    """The kind in brackets: pydantic puts tags among the keys of a location, and no key looks like this."""
    kind = kind_of(entry)
    return kind and f"<{kind}>"


EntryKeys = Annotated[
    Annotated[PlainKeys, Tag("<template>")]
    | Annotated[ParallelKeys, Tag("<parallel>")]
    | Annotated[IntegratorEntryKeys, Tag("<integrator>")]
    | Annotated[GroupKeys, Tag("<group>")],
    Discriminator(_tag),
]
"""One entry of the schedule."""
