"""What one attention's keys must say of each other and of the model."""

from eulerstack.schema.base import Dims
from eulerstack.schema.mixers.attention import AttentionKeys, heads, latent, rotates
from eulerstack.schema.mixers.compression import CompressionKeys
from eulerstack.schema.report import Report


def check(keys: AttentionKeys, dims: Dims, report: Report) -> None:
    """Report every contradiction; paths below `mixer.attention`."""
    _check_heads(keys, dims, report)
    _check_positions(keys, dims, report)
    _check_projections(keys, dims, report)
    _check_window(keys, report)
    _check_latent(keys, dims, report)
    if keys.compression:
        _check_compression(keys.compression, report)


def _check_heads(keys: AttentionKeys, dims: Dims, report: Report) -> None:
    n_heads, n_kv_heads, head_dim = heads(keys, dims)
    written = keys.n_heads or keys.n_kv_heads
    if written and n_heads % n_kv_heads:
        place = "n_kv_heads" if keys.n_kv_heads else "n_heads"
        report("heads-not-grouped", (place,), n_heads=n_heads, n_kv_heads=n_kv_heads)
    tiles = dims.n_heads * dims.head_dim == dims.d_model
    if keys.n_heads and not keys.head_dim and tiles and dims.d_model % n_heads:
        report("attention-heads-not-dividing", ("n_heads",), n_heads=n_heads, d_model=dims.d_model)
    elif _whole_heads_turn(keys, dims) and head_dim % 2:
        report(
            "head-dim-odd",
            ("head_dim" if keys.head_dim else "n_heads",),
            head_dim=head_dim,
            smaller=max(head_dim - 1, 2),
            larger=head_dim + 1,
        )


def _whole_heads_turn(keys: AttentionKeys, dims: Dims) -> bool:
    own = keys.n_heads or keys.head_dim
    return bool(own) and rotates(keys, dims) and not latent(keys) and not keys.rope_dim


def _check_positions(keys: AttentionKeys, dims: Dims, report: Report) -> None:
    if dims.positional != "rope" and keys.rope:
        report("rope-without-positions", ("rope",), positional=dims.positional)
    if keys.rope_theta and not rotates(keys, dims):
        report("rope-theta-unused", ("rope_theta",), positional=dims.positional)
    if not rotates(keys, dims):
        for name, neutral in (("rope_dim", None), ("rope_interleaved", False), ("rope_scaled", True)):
            if getattr(keys, name) != neutral:
                report("rope-key-unused", (name,), name=name)
    elif keys.rope_dim and not latent(keys):
        head_dim = heads(keys, dims)[2]
        if keys.rope_dim > head_dim:
            report("rope-dim-above-head-dim", ("rope_dim",), rope_dim=keys.rope_dim, head_dim=head_dim)
        elif keys.rope_dim % 2:
            smaller, larger = keys.rope_dim - 1 or 2, keys.rope_dim + 1
            report("rope-dim-odd", ("rope_dim",), rope_dim=keys.rope_dim, smaller=smaller, larger=larger)


def _check_projections(keys: AttentionKeys, dims: Dims, report: Report) -> None:
    for name, neutral in (("q_norm_weight", True), ("qk_norm_unit_offset", False)):
        if getattr(keys, name) != neutral and not keys.qk_norm:
            report("qk-norm-key-unused", (name,), name=name)
    for name, other in (("o_groups", "o_rank"), ("o_rank", "o_groups")):
        if getattr(keys, name) and not getattr(keys, other):
            report("grouped-output-half", (name,), name=name, other=other)
    n_heads = heads(keys, dims)[0]
    if keys.o_groups and keys.o_rank and n_heads % keys.o_groups:
        report("output-groups-not-dividing", ("o_groups",), o_groups=keys.o_groups, n_heads=n_heads)


def _check_window(keys: AttentionKeys, report: Report) -> None:
    if keys.window_mode in ("dilated", "nsa", "sliding") and not keys.window and not keys.compression:
        report("window-mode-without-window", ("window_mode",), mode=keys.window_mode)
    if keys.window_dilation and keys.window_mode not in ("dilated", "nsa"):
        report("dilation-without-dilated", ("window_dilation",), mode=keys.window_mode or "standard")
    if keys.compression and keys.window_mode in ("dilated", "nsa"):
        report("compression-window-mode", ("window_mode",), mode=keys.window_mode)


def _check_latent(keys: AttentionKeys, dims: Dims, report: Report) -> None:
    if keys.mla and keys.latent_dim and keys.latent_dim != keys.mla.kv_rank:
        report("latent-twice", ("latent_dim",), latent_dim=keys.latent_dim, kv_rank=keys.mla.kv_rank)
    written = latent(keys)
    if not written:
        return
    n_heads = heads(keys, dims)[0]
    if keys.n_kv_heads and keys.n_kv_heads != n_heads:
        report("mla-with-kv-heads", ("n_kv_heads",), n_kv_heads=keys.n_kv_heads, n_heads=n_heads)
    for name in ("compression", "qk_norm", "v_from_k", "rope_dim", "q_rank", "o_groups"):
        if getattr(keys, name):
            report("mla-excludes", (name,), name=name)
    if written.rope_dim and written.rope_dim % 2:
        rope_dim = written.rope_dim
        report("rope-dim-odd", ("mla", "rope_dim"), rope_dim=rope_dim, smaller=rope_dim - 1, larger=rope_dim + 1)
    if written.rope_dim and not rotates(keys, dims):
        report("mla-rope-dim-unused", ("mla", "rope_dim"), rope_dim=written.rope_dim)


def _check_compression(compression: CompressionKeys, report: Report) -> None:
    place = ("compression", "type")
    if compression.type in ("csa", "nsa_learned") and not compression.indexer:
        report("compression-needs", place, type=compression.type, name="indexer")
    if compression.type == "csa" and not compression.top_k_blocks:
        report("compression-needs", place, type=compression.type, name="top_k_blocks")
    if compression.type == "hca":
        for name in ("indexer", "top_k_blocks"):
            if getattr(compression, name) is not None:
                report("compression-forbids", ("compression", name), type=compression.type, name=name)
