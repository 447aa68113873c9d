"""What a picture writes about a block: short, in the names of the keys: every reader's language has them."""

from collections.abc import Iterator
from typing import Any

from eulerstack.drawing.boxes import Badge
from eulerstack.ir.nodes import Block, Layer, Merge


def mixer_words(mixer: Any) -> str:
    """`attention 32:8 · window 4096`: the mixer and the numbers that set it apart."""
    match mixer.type:
        case "attention":
            return " · ".join(_attention_words(mixer))
        case "mamba":
            return f"{mixer.variant} · d_state {mixer.d_state}"
        case "hyena":
            return f"hyena · depth {mixer.depth}"
        case "branched":
            return f"branched · {mixer.selector.type} × {len(mixer.branches)}"
        case other:
            return other


def _attention_words(attention: Any) -> list[str]:
    heads = f"{attention.n_heads}:{attention.n_kv_heads}"
    words = [f"attention {heads}"]
    if attention.mla is not None:
        words.append(f"MLA {attention.mla.kv_rank}")
    if attention.compression is not None:
        words.append(attention.compression.type)
    if attention.window is not None:
        dilated = f" × {attention.window_dilation}" if attention.window_mode == "dilated" else ""
        words.append(f"window {attention.window}{dilated}")
    return words


def ffn_words(ffn: Any | None) -> str:
    """`gated_mlp swiglu · 5632`, `moe 8 × top-2 · 1024`; empty where there is none."""
    if ffn is None:
        return ""
    if ffn.type == "moe":
        return f"moe {ffn.experts} × top-{ffn.top_k} · {ffn.d_expert}"
    return f"{ffn.type} {ffn.activation} · {ffn.d_ff}"


def norm_words(block: Block) -> str:
    """`rmsnorm pre`, and the residual form where it is not the plain one."""
    words = f"{block.norm.type} {block.norm.position}"
    return words if block.residual.type == "sequential" else f"{words} · {block.residual.type}"


def layer_badges(block: Block, layer: Layer) -> list[Badge]:
    """What a picture hangs on a layer: all of `badges`, and what makes its residual or its ffn another kind."""
    found = []
    if block.ffn is not None and block.ffn.type == "moe":
        found.append(Badge(kind="moe", text="MoE"))
    if block.residual.hyper is not None:
        found.append(Badge(kind="hyper", text=f"{block.residual.hyper.mixing} × {block.residual.hyper.expand}"))
    return [*found, *_hanging(block, layer)]


def badges(block: Block, layer: Layer) -> list[str]:
    """What hangs on a layer beside mixer and ffn: memory, depth gating, sharing, borrowed keys, a new width."""
    return [badge.text for badge in _hanging(block, layer)]


def _hanging(block: Block, layer: Layer) -> Iterator[Badge]:
    if block.memory is not None:
        yield Badge(kind="memory", text=f"memory: {block.memory.type}")
    if block.shape_change is not None:
        yield Badge(kind="width", text=f"d_out {block.shape_change.d_out}")
    if layer.depth_gating is not None:
        yield Badge(kind="depth", text=f"MoD {layer.depth_gating.capacity:g}")
    if layer.share is not None:
        yield Badge(kind="share", text=f"share: {layer.share}")
    if layer.kv_from is not None:
        yield Badge(kind="share", text=f"kv_from {layer.kv_from}")


def merge_words(merge: Merge) -> str:
    """`concat`, `cross_attn a → b`."""
    arrow = f" {merge.source} → {merge.target}" if merge.source else ""
    return f"{merge.type}{arrow}"
