"""A training step of a compiled llama-like model against transformers' own Llama of the same shape, CPU, fp32.

Steps of both are interleaved and timed in process CPU time, so that load on the machine falls on both alike.
Goal: at least 1.0 times the peer's speed.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedModel

from eulerstack import api

GOAL = 1.0
ROUNDS = 12
BATCH, LENGTH = 2, 512
SPEC = """\
schema_version: 1
model: { name: bench, d_model: 384, vocab_size: 4096, max_seq_len: 512, n_heads: 6, d_ff: 1024, dtype: float32 }
tokenizer_contract: { type: byte }
embedding: { type: learned, positional: rope }
layer_templates:
  decoder:
    mixer: { type: attention, attention: {} }
    ffn: { type: gated_mlp, activation: swiglu }
layer_schedule:
  - { template: decoder, repeat: 12 }
head: { type: causal_lm }
"""


def ours() -> PreTrainedModel:
    """The spec compiled and loaded."""
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch) / "model"
        api.compile(SPEC, output_dir=directory)
        return AutoModelForCausalLM.from_pretrained(directory, trust_remote_code=True, dtype=torch.float32)


def peer() -> PreTrainedModel:
    """transformers' Llama with the same sizes, on sdpa."""
    config = LlamaConfig(
        vocab_size=4096, hidden_size=384, intermediate_size=1024, num_hidden_layers=12, num_attention_heads=6,
        num_key_value_heads=6, max_position_embeddings=512, tie_word_embeddings=True,
    )  # fmt: skip
    return LlamaForCausalLM._from_config(config, attn_implementation="sdpa")


def step(model: PreTrainedModel) -> Callable[[], float]:
    """A function that takes one training step and gives its CPU seconds."""
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    ids = torch.randint(0, 4096, (BATCH, LENGTH))

    def once() -> float:
        started = time.process_time()
        model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return time.process_time() - started

    once()
    return once


def main() -> int:
    """Print the ratio of medians; 0 when it keeps the goal."""
    mine, theirs = ours(), peer()
    assert mine.num_parameters() == theirs.num_parameters()
    step_mine, step_theirs = step(mine), step(theirs)
    times = [(step_mine(), step_theirs()) for _ in range(ROUNDS)]
    a, b = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(other / own for own, other in times)
    print(f"training step: {a * 1000:.0f} ms CPU, transformers' Llama {b * 1000:.0f} ms: {ratio:.2f} x, goal {GOAL}")
    return 0 if ratio >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
