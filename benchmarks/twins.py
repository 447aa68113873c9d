"""A compiled model and transformers' own of the same shape with the same weights: what whole models are compared on."""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    PreTrainedModel,
)  # fmt: skip

from eulerstack import api

D_MODEL, LAYERS, HEADS, D_FF, MAX_LENGTH, EPS = 384, 12, 6, 1024, 1024, 1e-5
DENSE = "{ type: gated_mlp, activation: swiglu }"
RENAMED = {
    ".mixer.": ".self_attn.",
    ".ffn.router.": ".mlp.gate.",
    ".ffn.": ".mlp.",
    ".mixer_norm.": ".input_layernorm.",
    ".ffn_norm.": ".post_attention_layernorm.",
}
"""Parts of our tensors' names → transformers'."""


def compiled(vocabulary: int, layers: int = LAYERS, ffn: str = DENSE) -> PreTrainedModel:
    """A spec of these sizes compiled and loaded."""
    spec = f"""\
schema_version: 1
model:
  name: bench
  d_model: {D_MODEL}
  vocab_size: {vocabulary}
  max_seq_len: {MAX_LENGTH}
  n_heads: {HEADS}
  d_ff: {D_FF}
  dtype: float32
tokenizer_contract: {{ type: hf, pretrained: none }}
embedding: {{ type: learned, positional: rope }}
layer_templates:
  decoder:
    mixer: {{ type: attention, attention: {{}} }}
    ffn: {ffn}
layer_schedule:
  - {{ template: decoder, repeat: {layers} }}
head: {{ type: causal_lm }}
"""
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch) / "model"
        api.compile(spec, output_dir=directory)
        return AutoModelForCausalLM.from_pretrained(directory, trust_remote_code=True, dtype=torch.float32)


def llama_pair(vocabulary: int, layers: int = LAYERS) -> tuple[PreTrainedModel, PreTrainedModel]:
    """Ours and transformers' Llama, on sdpa."""
    mine = compiled(vocabulary, layers)
    theirs = LlamaForCausalLM._from_config(LlamaConfig(**_sizes(vocabulary, layers)), attn_implementation="sdpa")
    return mine, _with_weights(theirs, mine)


def mixtral_pair(
    vocabulary: int, layers: int, experts: int, top_k: int, d_expert: int, implementation: str
) -> tuple[PreTrainedModel, PreTrainedModel]:
    """Ours and transformers' Mixtral, on sdpa, its experts run by `implementation`."""
    ffn = f"{{ type: moe, moe: {{ experts: {experts}, top_k: {top_k}, d_expert: {d_expert} }} }}"
    mine = compiled(vocabulary, layers, ffn)
    config = MixtralConfig(
        **_sizes(vocabulary, layers) | {"intermediate_size": d_expert},
        num_local_experts=experts, num_experts_per_tok=top_k, output_router_logits=True, router_aux_loss_coef=0.01,
        sliding_window=None,
    )  # fmt: skip
    theirs = MixtralForCausalLM._from_config(config, attn_implementation="sdpa", experts_implementation=implementation)
    return mine, _with_weights(theirs, mine)


def _sizes(vocabulary: int, layers: int) -> dict:
    return {
        "vocab_size": vocabulary, "hidden_size": D_MODEL, "intermediate_size": D_FF, "num_hidden_layers": layers,
        "num_attention_heads": HEADS, "num_key_value_heads": HEADS, "max_position_embeddings": MAX_LENGTH,
        "tie_word_embeddings": True, "rms_norm_eps": EPS, "rope_theta": 10000.0,
    }  # fmt: skip


def _with_weights(theirs: PreTrainedModel, mine: PreTrainedModel) -> PreTrainedModel:
    """transformers' model with the weights of ours, after which both must give the same logits."""
    weights = mine.state_dict()
    for ours, name in RENAMED.items():
        weights = {key.replace(ours, name): tensor.clone() for key, tensor in weights.items()}
    theirs.load_state_dict(weights)
    theirs.tie_weights()
    ids = torch.arange(1, 9)[None]
    with torch.no_grad():
        torch.testing.assert_close(mine.eval()(ids).logits, theirs.eval()(ids).logits, rtol=1e-4, atol=1e-4)
    return theirs


def training_step(model: PreTrainedModel, ids: torch.Tensor, **keys: bool) -> Callable[[], float]:
    """A function that takes one training step and gives its CPU seconds."""
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)

    def once() -> float:
        started = time.process_time()
        model(input_ids=ids, labels=ids, use_cache=False, **keys).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return time.process_time() - started

    once()
    return once


def report(what: str, mine: Callable[[], float], theirs: Callable[[], float], goal: float, rounds: int) -> bool:
    """Take both in turn, print how many times faster the first is, by the median; whether that keeps the goal."""
    times = [(mine(), theirs()) for _ in range(rounds)]
    own, other = (min(column) for column in zip(*times, strict=True))
    ratio = statistics.median(theirs / mine for mine, theirs in times)
    print(f"{what}: {own * 1000:.1f} ms CPU, transformers {other * 1000:.1f} ms: {ratio:.2f} x, goal {goal}")
    return ratio >= goal
