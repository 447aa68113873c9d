"""How the sizes inside one canonical template shrink. Works in place on the template's plain mapping."""

from collections.abc import Callable, Iterator
from math import ceil, gcd, isclose
from typing import Any

from eulerstack.records import dataclass

Plain = dict[str, Any]

HEAD_DIM = 32
LATENT_ROPE_DIM = HEAD_DIM // 2
STATE_HEAD_DIM = 16
LARGEST_GROUP = 16
MOST_CHOSEN = 4
CHUNK = 16
D_STATE = 16


@dataclass(frozen=True, slots=True)
class Scale:
    """By how much the width and the length of a model shrink, and how wide an ffn may stay."""

    width: float
    length: float
    largest_ff: int

    def wide(self, size: int) -> int:
        """A width of the stream: a multiple of 16."""
        return max(16, round(size * self.width / 16) * 16)

    def narrow(self, size: int, smallest: int, largest: int) -> int:
        """A width inside a layer: a multiple of 8 between the bounds, in proportion where they allow it."""
        return min(max(smallest, round(size * self.width / 8) * 8), largest)

    def d_ff(self, size: int) -> int:
        """An ffn's width."""
        return self.narrow(size, 8, self.largest_ff)

    def d_expert(self, size: int) -> int:
        """An expert's width."""
        return self.narrow(size, 8, self.largest_ff // 2)

    def window(self, tokens: int) -> int:
        """A window, shorter than the twin's sequences and never longer than it was."""
        return min(tokens, max(16, min(round(tokens * self.length), 128)))

    @staticmethod
    def heads(n_heads: int, n_kv_heads: int) -> tuple[int, int]:
        """As few heads as keep the number of query heads per key/value head; two of the latter where groups are small,
        so that grouped attention does not become multi-query attention.
        """
        group = min(n_heads // n_kv_heads, LARGEST_GROUP)
        n_kv_heads = min(n_kv_heads, 2 if group <= 4 else 1)
        return n_kv_heads * group, n_kv_heads


def shrink_template(template: Plain, scale: Scale, d_model: int) -> None:
    """Shrink one canonical template to a stream of width `d_model`."""
    _mixer(template["mixer"], scale, d_model)
    ffn = template["ffn"]
    if ffn["type"] == "moe":
        _moe(ffn["moe"], scale)
    elif ffn["type"] != "none":
        ffn["d_ff"] = scale.d_ff(ffn["d_ff"])
    hyper = template["residual"].get("hyper")
    if hyper:
        hyper["expand"] = min(hyper["expand"], 4)
    if "memory" in template:
        params = template["memory"]["params"]
        params["hidden"] = min(params["hidden"], d_model)
    if "shape_change" in template:
        template["shape_change"]["d_out"] = d_model


def _mixer(mixer: Plain, scale: Scale, d_model: int) -> None:
    if mixer["type"] == "branched":
        for branch in mixer["branched"]["branches"].values():
            _mixer(branch, scale, d_model)
        return
    key = "ttt" if mixer["type"] == "ttt_layer" else mixer["type"]
    _SHRINK[key](mixer[key], scale, d_model)


def attentions(mixer: Plain) -> Iterator[Plain]:
    """The keys of each attention in a canonical mixer."""
    if mixer["type"] == "branched":
        for branch in mixer["branched"]["branches"].values():
            yield from attentions(branch)
    elif mixer["type"] == "attention":
        yield mixer["attention"]


def _attention(keys: Plain, scale: Scale, d_model: int) -> None:
    old = keys["head_dim"]
    keys["n_heads"], keys["n_kv_heads"] = scale.heads(keys["n_heads"], keys["n_kv_heads"])
    keys["head_dim"] = HEAD_DIM
    if "rope_dim" in keys:
        keys["rope_dim"] = max(2, keys["rope_dim"] * HEAD_DIM // old // 2 * 2)
    if "q_rank" in keys:
        keys["q_rank"] = scale.narrow(keys["q_rank"], 8, d_model)
    if "o_groups" in keys:
        keys["o_groups"] = gcd(keys["o_groups"], keys["n_heads"])
        keys["o_rank"] = scale.narrow(keys["o_rank"], 8, d_model)
    if "window" in keys:
        keys["window"] = scale.window(keys["window"])
    if "mla" in keys:
        _latent(keys, scale, d_model)
    elif isclose(keys["scale"], old**-0.5):
        del keys["scale"]
    if "compression" in keys:
        _compression(keys["compression"])


def _latent(keys: Plain, scale: Scale, d_model: int) -> None:
    mla = keys["mla"]
    if isclose(keys["scale"], (mla["nope_dim"] + mla["rope_dim"]) ** -0.5):
        del keys["scale"]
    mla["kv_rank"] = scale.narrow(mla["kv_rank"], 8, d_model)
    if "q_rank" in mla:
        mla["q_rank"] = scale.narrow(mla["q_rank"], 8, d_model)
    mla["nope_dim"] = mla["v_dim"] = HEAD_DIM
    mla["rope_dim"] = min(mla["rope_dim"], LATENT_ROPE_DIM)


def _compression(keys: Plain) -> None:
    keys["m_block"] = min(keys["m_block"], 16)
    if "top_k_blocks" in keys:
        keys["top_k_blocks"] = min(keys["top_k_blocks"], 8)
    if "indexer" in keys:
        keys["indexer"]["n_heads"] = min(keys["indexer"]["n_heads"], 16)
        keys["indexer"]["d_per_head"] = min(keys["indexer"]["d_per_head"], STATE_HEAD_DIM)


def _mamba(keys: Plain, scale: Scale, d_model: int) -> None:
    keys["d_state"] = min(keys["d_state"], D_STATE)
    if "d_inner" in keys:
        keys["d_inner"] = inner = scale.wide(keys["d_inner"])
    else:
        keys["expand"] = min(keys["expand"], 4)
        inner = keys["expand"] * d_model
    if keys["variant"] == "mamba1":
        keys["dt_rank"] = max(1, ceil(keys["dt_rank"] * scale.width))
        return
    keys["head_dim"] = min(keys["head_dim"], STATE_HEAD_DIM)
    if inner % keys["head_dim"]:
        keys["head_dim"] = gcd(inner, STATE_HEAD_DIM)
    keys["n_groups"] = gcd(keys["n_groups"], inner // keys["head_dim"])
    keys["chunk_size"] = min(keys["chunk_size"], CHUNK)


def _retnet(keys: Plain, scale: Scale, d_model: int) -> None:
    keys["n_heads"] = min(keys["n_heads"], d_model // STATE_HEAD_DIM)
    while d_model % keys["n_heads"] or d_model // keys["n_heads"] % 2:
        keys["n_heads"] -= 1
    keys["v_expand"] = min(keys["v_expand"], 4)
    keys["chunk_size"] = min(keys["chunk_size"], CHUNK)


def _hyena(keys: Plain, scale: Scale, d_model: int) -> None:
    keys["filter_hidden"] = min(keys["filter_hidden"], 16)


def _ttt(keys: Plain, scale: Scale, d_model: int) -> None:
    keys["n_heads"] = gcd(d_model, min(keys["n_heads"], d_model // STATE_HEAD_DIM))
    inner = keys["inner_model"]
    if "hidden" in inner:
        inner["hidden"] = min(inner["hidden"], 32)
    keys["chunk_size"] = min(keys["chunk_size"], CHUNK)


def _gated_deltanet(keys: Plain, scale: Scale, d_model: int) -> None:
    ratio = keys["d_value"] / keys["d_key"]
    shared_by = min(keys["n_value_heads"] // keys["n_heads"], 2)
    keys["n_heads"] = min(keys["n_heads"], 2)
    keys["n_value_heads"] = shared_by * keys["n_heads"]
    keys["d_key"] = min(keys["d_key"], STATE_HEAD_DIM)
    keys["d_value"] = max(1, min(round(ratio * keys["d_key"]), 4 * STATE_HEAD_DIM))
    keys["chunk_size"] = min(keys["chunk_size"], CHUNK)


def _moe(keys: Plain, scale: Scale) -> None:
    """Few experts, more than a token chooses; where groups limit the choice, two groups, one or both of them open."""
    before = keys["experts"]
    chosen = min(keys["top_k"], MOST_CHOSEN)
    keys["experts"] = min(before, max(4, 2 * chosen))
    keys["top_k"] = min(chosen, keys["experts"])
    keys["d_expert"] = scale.d_expert(keys["d_expert"])
    keys["d_shared"] = scale.d_expert(keys["d_shared"])
    keys["shared_experts"] = min(keys["shared_experts"], 2)
    limit = keys["balance"].get("group_limit")
    if keys["n_groups"] > 1 and keys["experts"] < before:
        if limit is not None:
            keys["balance"]["group_limit"] = 1 if 2 * limit <= keys["n_groups"] else 2
        keys["n_groups"] = 2


_SHRINK: dict[str, Callable[[Plain, Scale, int], None]] = {
    "attention": _attention,
    "mamba": _mamba,
    "retnet": _retnet,
    "hyena": _hyena,
    "ttt": _ttt,
    "gated_deltanet": _gated_deltanet,
}
