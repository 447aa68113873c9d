"""Counting a built model's operations with torch, and models whose depth routers let every token pass."""

from collections.abc import Callable
from dataclasses import replace
from math import prod

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from eulerstack.ir.nodes import Integrator, Layer, Model, Node, Parallel, Stream
from eulerstack.runtime.modeling_eulerstack import EulerStackForCausalLM


def counted(run: Callable[[], object]) -> int:
    """The matrix products and convolutions of a run. Where torch chooses its attention, it runs as matrix products."""
    aten = torch.ops.aten
    mapping = {aten.convolution_backward: convolution_backward, aten.addmm_: added_product}
    with FlopCounterMode(display=False, custom_mapping=mapping) as counter, sdpa_kernel(SDPBackend.MATH):
        run()
    return counter.get_total_flops()


def added_product(total, a, b, out_shape=None, **factors) -> int:
    """A product added in place, which torch's own counter does not know."""
    return 2 * prod(a) * b[-1]


def convolution_backward(gradient, x, weight, *settings, out_shape=None) -> int:
    """One convolution's worth for each gradient. torch's own formula counts a depthwise one as if it were dense."""
    wanted = settings[7]
    return sum(wanted[:2]) * 2 * gradient[0] * prod(gradient[2:]) * prod(weight)


def eager(model: EulerStackForCausalLM) -> EulerStackForCausalLM:
    """The model with eager attention and eager experts."""
    model.set_attn_implementation("eager")
    model.set_experts_implementation("eager")
    return model


def is_gated(model: EulerStackForCausalLM) -> bool:
    """Whether any layer works on chosen tokens only."""
    return any(layer.depth is not None for layer in model.model.layers)


def pass_all(model: EulerStackForCausalLM) -> None:
    """Make every depth router choose every token."""
    for layer in model.model.layers:
        if layer.depth is not None:
            layer.depth.capacity = 1.0
            with torch.no_grad():
                (layer.depth.weight if layer.depth.predictor is None else layer.depth.predictor).zero_()
                layer.depth.bias.fill_(100.0)


def passing_all(model: Model) -> Model:
    """The same model with a capacity of 1 at every depth router."""
    return replace(model, schedule=tuple(_open(node) for node in model.schedule))


def _open(node: Node) -> Node:
    match node:
        case Layer():
            gating = node.depth_gating
            return replace(node, depth_gating=replace(gating, capacity=1.0)) if gating else node
        case Parallel():
            streams = (Stream(name=stream.name, body=tuple(map(_open, stream.body))) for stream in node.streams)
            return replace(node, streams=tuple(streams))
        case Integrator():
            return replace(node, body=tuple(map(_open, node.body)))
