"""Which class a resolved attention is built as."""

from torch import nn

from .attention import Attention
from .compressed_attention import CompressedAttention
from .latent_attention import LatentAttention
from .native_sparse_attention import NativeSparseAttention


def build_attention(config, block: dict, layer_idx: int) -> nn.Module:
    """The attention that `mixer.attention` describes: latent, compressed, sparse by blocks, or plain."""
    spec = block["mixer"]["attention"]
    if spec["mla"] is not None:
        return LatentAttention(config, block, layer_idx)
    if spec["compression"] is None:
        return Attention(config, block, layer_idx)
    if spec["compression"]["type"] == "nsa_learned":
        return NativeSparseAttention(config, block, layer_idx)
    return CompressedAttention(config, block, layer_idx)
