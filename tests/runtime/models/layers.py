"""Layer templates, and the mixers and feed-forwards in them; small sizes unless said otherwise."""


def layer(mixer: dict | None = None, ffn: dict | None = None, **parts) -> dict:
    """A layer template: attention and a SwiGLU unless said otherwise."""
    return {
        "mixer": mixer or {"type": "attention", "attention": {}},
        "ffn": ffn or {"type": "gated_mlp", "activation": "swiglu"},
        **parts,
    }


def attention(**keys) -> dict:
    """An attention mixer with these keys."""
    return {"type": "attention", "attention": keys}


def mamba(**keys) -> dict:
    """A mamba mixer with these keys; small heads and chunks unless said otherwise."""
    small = {} if keys.get("variant") == "mamba1" else {"head_dim": 8, "chunk_size": 8}
    return {"type": "mamba", "mamba": {"d_state": 8, **small, **keys}}


def retnet(**keys) -> dict:
    """A retnet mixer with these keys; chunks shorter than the tests' sequences unless said otherwise."""
    return {"type": "retnet", "retnet": {"chunk_size": 8, **keys}}


def hyena(**keys) -> dict:
    """A hyena mixer with these keys; a narrow filter network unless said otherwise."""
    return {"type": "hyena", "hyena": {"filter_hidden": 8, **keys}}


def delta(**keys) -> dict:
    """A gated_deltanet mixer with these keys; chunks shorter than the tests' sequences unless said otherwise."""
    return {"type": "gated_deltanet", "gated_deltanet": {"chunk_size": 8, **keys}}


def ttt(inner: dict | None = None, **keys) -> dict:
    """A ttt_layer mixer with these keys; a small MLP inside and short chunks unless said otherwise."""
    keys = {"inner_model": inner or {"type": "mlp", "hidden": 12}, "chunk_size": 8, "inner_lr": 0.5, **keys}
    return {"type": "ttt_layer", "ttt": keys}


def compressed(kind: str, block: int = 4, pool: str = "softmax_gated", indexer: dict | None = None, **keys) -> dict:
    """A compressed attention, its window 6; csa and nsa_learned with an indexer of 16 heads that picks 3 blocks."""
    compression = {"type": kind, "m_block": block, "pool": pool}
    if kind != "hca":
        scorer = {"arch": "relu_mha", "n_heads": 16, "d_per_head": 6, "dtype": "fp32", **(indexer or {})}
        compression |= {"indexer": scorer, "top_k_blocks": 3}
    return attention(**{"window": 6, "compression": compression, **keys})


def branched(selector: dict | None = None, **branches: dict) -> dict:
    """A branched mixer with these branches."""
    return {"type": "branched", "branched": {"branches": branches, "selector": selector or {"type": "learned_gate"}}}


def remembering(kind: str, mixer: dict | None = None, hidden: int = 12, **keys) -> dict:
    """A layer template with a memory, which writes in evaluation too unless said otherwise."""
    rate = {} if kind == "retrieval" else {"inner_lr": 0.3}
    keys = {"update_at_inference": True, **rate, **keys}
    return layer(mixer, memory={"type": kind, "params": {"hidden": hidden}, **keys})


def moe(**keys) -> dict:
    """A mixture of 4 experts of which 2 are used, with these keys besides."""
    return {"type": "moe", "moe": {"experts": 4, "top_k": 2, "d_expert": 24, **keys}}


def hyper(template: dict, mixing: str = "birkhoff", expand: int = 2) -> dict:
    """The template with hyper-connections."""
    residual = {"type": "hyper_connection", "hyper": {"expand": expand, "mixing": mixing}}
    return {**template, "residual": residual}
