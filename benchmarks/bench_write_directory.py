"""Writing a model directory of 0.8 billion parameters in bfloat16 against transformers' `from_config` and
`save_pretrained` of a Llama with the same sizes.

Each in processes of its own, in turn; the CPU time of the work is compared, without imports. Goals: at least 2.5 times
the peer's speed, and no more than 300 MiB of memory above what the imports take.
"""

import json
import subprocess
import sys
import tempfile

GOAL = 2.5
GOAL_MIB = 300
ROUNDS = 2
SPEC = """\
schema_version: 1
model: { name: bench, d_model: 1536, vocab_size: 32000, max_seq_len: 2048, n_heads: 16, d_ff: 5120 }
tokenizer_contract: { type: byte }
embedding: { type: learned, positional: rope }
layer_templates:
  decoder:
    mixer: { type: attention, attention: {} }
    ffn: { type: gated_mlp, activation: swiglu }
layer_schedule:
  - { template: decoder, repeat: 24 }
head: { type: causal_lm }
"""

FRAME = """
import json, resource, sys, time
{imports}
target, memory = sys.argv[1] + "/model", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.process_time()
{work}
seconds, peak = time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({{"seconds": seconds, "parameters": parameters, "mib": (peak - memory) / 1024}}))
"""
OURS = FRAME.format(
    imports="import numpy, tokenizers\nfrom eulerstack import api",
    work=f"parameters = api.compile({SPEC!r}, output_dir=target).directory.parameters",
)
PEER = FRAME.format(
    imports="import torch\nfrom transformers import LlamaConfig, LlamaForCausalLM",
    work="""
config = LlamaConfig(
    vocab_size=32000, hidden_size=1536, intermediate_size=5120, num_hidden_layers=24, num_attention_heads=16,
    num_key_value_heads=16, max_position_embeddings=2048, tie_word_embeddings=True,
)
model = LlamaForCausalLM._from_config(config, dtype=torch.bfloat16)
model.save_pretrained(target)
parameters = model.num_parameters()
""",
)


def measure(script: str) -> dict[str, float]:
    """What one process reports of its work."""
    with tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run([sys.executable, "-c", script, scratch], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> int:
    """Print the comparison; 0 when both goals are held."""
    pairs = [(measure(OURS), measure(PEER)) for _ in range(ROUNDS)]
    ours, peer = (min(sides, key=lambda run: run["seconds"]) for sides in zip(*pairs, strict=True))
    assert ours["parameters"] == peer["parameters"], "the two models differ in size"
    ratio = peer["seconds"] / ours["seconds"]
    size = f"{ours['parameters'] / 1e9:.2f}B"
    print(f"write {size} bfloat16: {ours['seconds']:.1f} s CPU, transformers {peer['seconds']:.1f}")
    print(f"  {ratio:.1f} times the peer's speed, goal {GOAL}")
    print(f"  {ours['mib']:.0f} MiB above the imports, goal {GOAL_MIB} (transformers {peer['mib']:.0f})")
    return 0 if ratio >= GOAL and ours["mib"] <= GOAL_MIB else 1


if __name__ == "__main__":
    sys.exit(main())
