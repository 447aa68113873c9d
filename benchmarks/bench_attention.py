"""Latent and compressed attention against transformers' DeepSeek-V3 and V4 with equal weights, CPU, fp32, one thread.

Latent attention decodes from a long cache; a compressed one (csa, hca) runs forwards and backwards over a whole
sequence, and decodes. Both sides are interleaved and timed in process CPU time. Goals: twice as fast at decoding from
latents, as fast as transformers everywhere.
"""

import statistics
import sys
import time
from collections.abc import Callable

import torch
from transformers import DeepseekV3Config, DeepseekV4Config, DynamicCache
from transformers.models.deepseek_v3 import modeling_deepseek_v3 as v3
from transformers.models.deepseek_v4 import modeling_deepseek_v4 as v4

from eulerstack.runtime.build_attention import build_attention
from eulerstack.runtime.cache import EulerStackCache
from eulerstack.runtime.configuration_eulerstack import EulerStackConfig
from eulerstack.schema.base import Dims, as_plain
from eulerstack.schema.mixers import MixerKeys, resolve_mixer

WIDTH, HEADS, LENGTH, PAST = 256, 8, 2048, 4096
ROUNDS = 5
LATENT = {"kv_rank": 128, "q_rank": 192, "rope_dim": 16, "nope_dim": 32, "v_dim": 32}
SHARED = {
    "n_kv_heads": 1, "v_from_k": True, "q_rank": 128, "qk_norm": "head", "q_norm_weight": False, "attention_sinks": {},
    "o_groups": 2, "o_rank": 64, "rope_dim": 16, "rope_interleaved": True, "head_dim": 64, "window": 128,
}  # fmt: skip
INDEXER = {"arch": "relu_mha", "n_heads": 16, "d_per_head": 32, "dtype": "fp32", "learnable": False}
BLOCKS = {
    "csa": {"type": "csa", "m_block": 4, "indexer": INDEXER, "top_k_blocks": 128},
    "hca": {"type": "hca", "m_block": 128},
}
KINDS = {"csa": "compressed_sparse_attention", "hca": "heavily_compressed_attention"}
Run = Callable[[], object]


def ours(keys: dict) -> torch.nn.Module:
    """One of our attentions, all its parameters random."""
    dims = Dims(
        d_model=WIDTH, n_heads=HEADS, n_kv_heads=HEADS, head_dim=WIDTH // HEADS, d_ff=1, norm_eps=1e-6, vocab_size=1,
        max_seq_len=2 * PAST, positional="rope", rope_theta=10000.0,
    )  # fmt: skip
    mixer = as_plain(resolve_mixer(MixerKeys.model_validate({"type": "attention", "attention": keys}), dims))
    config = EulerStackConfig(hidden_size=WIDTH)
    config._attn_implementation = "sdpa"
    block = {"mixer": {"type": "attention", "attention": mixer}, "d_model": WIDTH, "norm": {"eps": 1e-6}}
    module = build_attention(config, block, 0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.05)
    return module


def window_mask(length: int, window: int | None) -> torch.Tensor:
    """The additive mask [1, 1, T, T] of a causal attention, windowed or not."""
    distance = torch.arange(length)[:, None] - torch.arange(length)
    seen = (distance >= 0) & (distance < (window or length))
    return torch.zeros(1, 1, length, length).masked_fill(~seen, torch.finfo(torch.float32).min)


def angles(module: torch.nn.Module, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """cos and sin of the positions [1, T, R] of one of our attentions."""
    dim = module.rope.dim
    frequency = 10000.0 ** (-torch.arange(0, dim, 2) / dim)
    angle = (torch.arange(length)[None, :, None] * frequency).repeat(1, 1, 2)
    return angle.cos(), angle.sin()


def latent_decoding() -> tuple[Run, Run]:
    """One token more after a long past: ours and transformers'."""
    mine = ours({"mla": LATENT})
    config = DeepseekV3Config(
        hidden_size=WIDTH, num_attention_heads=HEADS, num_key_value_heads=HEADS, q_lora_rank=192, kv_lora_rank=128,
        qk_rope_head_dim=16, qk_nope_head_dim=32, v_head_dim=32, num_hidden_layers=1, rope_interleave=False,
        attn_implementation="sdpa",
    )  # fmt: skip
    theirs = v3.DeepseekV3Attention(config, 0)
    theirs.load_state_dict(mine.state_dict())
    mine.rope.key = "r"
    token, past = torch.randn(1, 1, WIDTH), (torch.randn(1, 1, PAST, 128), torch.randn(1, 1, PAST, 16))
    places = tuple(angle[:, -1:] for angle in angles(mine, PAST + 1))

    @torch.no_grad()
    def run_ours() -> torch.Tensor:
        cache = EulerStackCache(mine.state_layers())
        cache.update(*past, 0)
        return mine(token, {mine.mask_kind.key: None}, {"r": places}, past_key_values=cache, cache_index=0)[0]

    @torch.no_grad()
    def run_theirs() -> torch.Tensor:
        cache = DynamicCache(config=config)
        cache.update(*past, 0)
        return theirs(token, places, None, past_key_values=cache)[0]

    assert torch.allclose(run_ours(), run_theirs(), atol=1e-5)
    return run_ours, run_theirs


def compressed_pair(kind: str) -> tuple[torch.nn.Module, torch.nn.Module, DeepseekV4Config]:
    """Ours and transformers' attention of one kind, with the same weights."""
    mine = ours({**SHARED, "compression": BLOCKS[kind]})
    mine.rope.key = "r"
    rope = {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.25}
    config = DeepseekV4Config(
        hidden_size=WIDTH, num_attention_heads=HEADS, head_dim=64, q_lora_rank=128, num_hidden_layers=1,
        layer_types=[KINDS[kind]], sliding_window=128, o_groups=2, o_lora_rank=64, index_n_heads=16, index_head_dim=32,
        index_topk=128, partial_rotary_factor=0.25, rope_parameters={"main": rope, "compress": dict(rope)},
        attn_implementation="eager",
    )  # fmt: skip
    theirs = v4.DeepseekV4Attention(config, 0)
    theirs.load_state_dict({theirs_of(name): tensor for name, tensor in mine.state_dict().items()})
    return mine, theirs, config


def theirs_of(name: str) -> str:
    """DeepSeek-V4's name of one of our tensors."""
    name = name.replace("indexer.compressor.", "compressor.indexer.").replace("k_proj", "kv_proj")
    if name.startswith("indexer."):
        name = "compressor." + name.replace("q_proj", "q_b_proj").replace("weights_proj", "scorer.weights_proj")
    return "kv_norm.weight" if name == "k_norm.weight" else name


def compressed_training(kind: str) -> tuple[Run, Run]:
    """A whole sequence forwards and backwards."""
    mine, theirs, config = compressed_pair(kind)
    x = torch.randn(1, LENGTH, WIDTH)
    mask, places, positions = window_mask(LENGTH, 128), angles(mine, LENGTH), torch.arange(LENGTH)[None]
    by_type = {"compress": v4.DeepseekV4RotaryEmbedding(config)(x, positions, layer_type="compress")}

    def run_ours() -> torch.Tensor:
        out = mine(x, {mine.mask_kind.key: mask}, {"r": places})[0]
        out.square().sum().backward()
        return out

    def run_theirs() -> torch.Tensor:
        out = theirs(x, by_type, positions, mask)[0]
        out.square().sum().backward()
        return out

    assert torch.allclose(run_ours(), run_theirs(), atol=1e-5)
    return run_ours, run_theirs


def measure(first: Run, second: Run) -> float:
    """How many times faster the first is: the median over interleaved rounds."""
    ratios = []
    for _ in range(ROUNDS):
        spent = []
        for run in (first, second):
            start = time.process_time()
            run()
            spent.append(time.process_time() - start)
        ratios.append(spent[1] / spent[0])
    return statistics.median(ratios)


def main() -> int:
    """0 where every goal is held."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    cases = [
        (f"a token from {PAST} cached latents", latent_decoding(), 2.0),
        (f"csa, {LENGTH} tokens, forwards and backwards", compressed_training("csa"), 1.0),
        (f"hca, {LENGTH} tokens, forwards and backwards", compressed_training("hca"), 1.0),
    ]
    failed = 0
    for name, runs, goal in cases:
        ratio = measure(*runs)
        failed += ratio < goal
        print(f"{name}: {ratio:.2f} times transformers (goal {goal:g})")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
