"""The same architecture at another width, and which tensors grow with it: what μP stands on.

The stream is `d_model` wide; heads keep their size and change their number, and every inner width (ffns, experts,
latents, memories, inner streams) follows in proportion. What a state holds (d_state), the number of experts, groups,
kernels and all lengths stay. Tensor Programs V (Yang 2022) calls the widths that follow the infinite ones.
"""

from collections.abc import Callable
from fractions import Fraction

from eulerstack.ir.canonical import Plain, lowered
from eulerstack.ir.nodes import Model
from eulerstack.ir.parameters import parameter_table
from eulerstack.ir.print import to_plain
from eulerstack.schema.base import Parameter

INNER_WIDTHS = {
    "attention": ("n_heads", "n_kv_heads", "q_rank", "o_rank"),
    "mla": ("kv_rank", "q_rank"),
    "mamba": ("d_inner", "dt_rank"),
    "retnet": ("n_heads",),
    "ttt": ("n_heads",),
    "gated_deltanet": ("n_heads", "n_value_heads"),
    "moe": ("d_expert", "d_shared"),
}
"""Of each part of a canonical template, the keys whose numbers follow the stream's width."""


class UnevenWidth(ValueError):  # noqa: N818 (it says what is wrong with a width)
    """A size that is no whole number at the wanted width."""

    def __init__(self, key: str, size: int, width: int):
        super().__init__(f"{key} {size} cannot follow the width to {width}")
        self.key, self.size, self.width = key, size, width


def at_width(model: Model, d_model: int) -> Model:
    """The model with a stream `d_model` wide. Raises UnevenWidth where a size would not be a whole number."""
    factor = Fraction(d_model, model.d_model)

    def resize(container: Plain, *keys: str) -> None:
        for key in keys:
            if container.get(key) is not None:
                size = container[key] * factor
                if size.denominator != 1:
                    raise UnevenWidth(key, container[key], d_model)
                container[key] = int(size)

    plain = to_plain(model)
    resize(plain["model"], "d_model", "n_heads", "n_kv_heads", "d_ff")
    plain["model"].pop("target_params", None)
    resize(plain["embedding"], "d_embed")
    for template in plain["layer_templates"].values():
        _resize_mixer(template["mixer"], resize)
        resize(template["ffn"], "d_ff")
        resize(template["ffn"].get("moe", {}), *INNER_WIDTHS["moe"])
        resize(template.get("memory", {}).get("params", {}), "hidden")
        resize(template.get("shape_change", {}), "d_out")
    return lowered(plain, "width")


def _resize_mixer(mixer: Plain, resize: Callable[..., None]) -> None:
    if mixer["type"] == "branched":
        for branch in mixer["branched"]["branches"].values():
            _resize_mixer(branch, resize)
        return
    key = "ttt" if mixer["type"] == "ttt_layer" else mixer["type"]
    resize(mixer[key], *INNER_WIDTHS.get(key, ()))
    resize(mixer[key].get("mla", {}), *INNER_WIDTHS["mla"])


def growing_fan_in(model: Model) -> frozenset[str]:
    """The names of all tensors whose output sums over more terms in a wider model."""
    wider = {parameter.name: parameter for parameter in parameter_table(at_width(model, 2 * model.d_model))}
    return frozenset(p.name for p in parameter_table(model) if _fan_in(p) != _fan_in(wider[p.name]))


def growing_fan_out(model: Model) -> frozenset[str]:
    """The names of all tensors that state a fan_out, and a larger one in a wider model."""
    wider = {parameter.name: parameter for parameter in parameter_table(at_width(model, 2 * model.d_model))}
    return frozenset(p.name for p in parameter_table(model) if p.init.fan_out != wider[p.name].init.fan_out)


def _fan_in(parameter: Parameter) -> int:
    """The terms of one output, where a tensor says; a table is looked up, and what is no matrix sums nothing."""
    return 1 if parameter.init.kind == "embedding" else parameter.init.fan_in
