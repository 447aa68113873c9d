"""Which class a resolved attention is built as."""

from torch import nn

from .attention import Attention
from .latent_attention import LatentAttention


def build_attention(config, block: dict, layer_idx: int) -> nn.Module:
    """The attention that `mixer.attention` describes: latent, compressed, or plain heads."""
    spec = block["mixer"]["attention"]
    if spec["mla"] is not None:
        return LatentAttention(config, block, layer_idx)
    return Attention(config, block, layer_idx)
