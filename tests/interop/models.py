"""Random small models of every family that can be imported, and their imported twins."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import PreTrainedModel

from eulerstack.interop import import_model
from eulerstack.interop.reading import read
from eulerstack.runtime.modeling_eulerstack import EulerStackForCausalLM

CLASSES = {
    "gpt2": (transformers.GPT2Config, transformers.GPT2LMHeadModel),
    "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
    "mistral": (transformers.MistralConfig, transformers.MistralForCausalLM),
    "qwen2": (transformers.Qwen2Config, transformers.Qwen2ForCausalLM),
    "qwen3": (transformers.Qwen3Config, transformers.Qwen3ForCausalLM),
    "gemma2": (transformers.Gemma2Config, transformers.Gemma2ForCausalLM),
    "olmo2": (transformers.Olmo2Config, transformers.Olmo2ForCausalLM),
    "opt": (transformers.OPTConfig, transformers.OPTForCausalLM),
    "mixtral": (transformers.MixtralConfig, transformers.MixtralForCausalLM),
}
VOCAB = 53
MAX_LENGTH = 40
GATES = ("silu", "gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "relu2", "swish", "gelu_python", "gelu_fast")
ROPES = ("default", "linear", "dynamic", "yarn", "llama3", "longrope")


@dataclass(frozen=True)
class Pair:
    """An original, its twin, and how the twin's tensors come from the original's."""

    original: PreTrainedModel
    twin: PreTrainedModel
    sources: Path
    directory: Path

    def mapped(self, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Tensors under the original's parameter names → under ours."""
        mapped = {}
        for assignment in read(self.sources).assignments():
            recipe = next(r for r in assignment.recipes if all(name in tensors for name in r.sources))
            mapped[assignment.target] = recipe.transform([tensors[name] for name in recipe.sources])
        return mapped


def settings(family: str, seed: int) -> dict[str, Any]:
    """Arguments of a random config of `family`, all of whose fields vary with the seed; no dropout."""
    rng = random.Random(f"{family}/{seed}")
    return {"vocab_size": VOCAB, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0} | _OWN[family](rng)


def build(family: str, config: dict[str, Any], attention: str = "eager") -> PreTrainedModel:
    """The original with every parameter random, biases and norms included."""
    make_config, make_model = CLASSES[family]
    torch.manual_seed(0)
    model = make_model._from_config(make_config(**config), attn_implementation=attention)
    generator = torch.Generator().manual_seed(len(family))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            one = 1.0 if "norm" in name.lower() or ".ln_" in name else 0.0
            centre = one if name.endswith("weight") and family != "gemma2" else 0.0
            parameter.copy_(centre + 0.25 * noise)
    return model.eval()


def pair(family: str, config: dict[str, Any], directory: Path, attention: str = "eager") -> Pair:
    """An original saved, imported and loaded again as ours."""
    original = build(family, config, attention)
    sources, target = directory / "original", directory / "twin"
    original.save_pretrained(sources)
    import_model(sources, target)
    twin = EulerStackForCausalLM.from_pretrained(target, attn_implementation=attention, dtype=torch.float32)
    if family == "mixtral" and (config["hidden_size"] % 4 or config["intermediate_size"] % 4):
        for model in (original, twin):  # grouped_mm wants rows of whole 16 bytes
            model.set_experts_implementation("eager")
    return Pair(original, twin.eval(), sources, target)


def tokens(*shape: int, seed: int = 0) -> torch.Tensor:
    """Random ids that are no special tokens."""
    return torch.randint(3, VOCAB, shape, generator=torch.Generator().manual_seed(seed))


def assert_close(ours: torch.Tensor, theirs: torch.Tensor, name: str = "") -> None:
    """|a − b| ≤ 1e-5·max(1, max|b|)."""
    bound = 1e-5 * max(1.0, theirs.abs().max().item())
    difference = (ours - theirs).abs().max().item()
    assert difference <= bound, f"{name}: {difference:.2e} > {bound:.2e}"


def _heads(rng: random.Random, *, tiled: bool = False) -> dict[str, Any]:
    """Sizes; unless `tiled`, head_dim may be explicit and unequal to hidden_size / heads."""
    heads = rng.choice((2, 4, 6))
    head_dim = rng.choice((4, 8, 10))
    sizes = {
        "num_attention_heads": heads,
        "num_key_value_heads": rng.choice([n for n in (1, 2, 3, 4, 6) if heads % n == 0]),
        "hidden_size": heads * head_dim,
        "intermediate_size": rng.choice((24, 40)),
        "num_hidden_layers": rng.choice((2, 3, 4)),
        "max_position_embeddings": MAX_LENGTH,
        "initializer_range": rng.choice((0.02, 0.05)),
        "tie_word_embeddings": rng.random() < 0.5,
    }
    if not tiled and rng.random() < 0.6:
        sizes["hidden_size"] = heads * rng.choice((6, 9))
    return sizes | {"head_dim": head_dim}


def _rms(rng: random.Random) -> dict[str, Any]:
    return {"rms_norm_eps": rng.choice((1e-6, 1e-5, 1e-2))}


def _act(rng: random.Random) -> dict[str, Any]:
    return {"hidden_act": rng.choice(GATES)}


def rope(kind: str, rng: random.Random, head_dim: int) -> dict[str, Any]:
    """Rotary positions of one kind, under today's names or yesterday's."""
    own: dict[str, Any] = {"linear": {"factor": 2.5}, "dynamic": {"factor": 2.0}, "default": {}}.get(kind, {})
    if kind == "yarn":
        own = {"factor": 4.0, "original_max_position_embeddings": 16} | rng.choice(
            (
                {},
                {"attention_factor": 0.8},
                {"mscale": 1.0, "mscale_all_dim": 0.5},
                {"beta_fast": 16.0, "beta_slow": 2.0, "truncate": False},
            )
        )
    elif kind == "llama3":
        own = {
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 16,
        }
    elif kind == "longrope":
        own = {
            "short_factor": [1.0 + 0.1 * i for i in range(head_dim // 2)],
            "long_factor": [2.0 + 0.3 * i for i in range(head_dim // 2)],
            "original_max_position_embeddings": 16,
        } | rng.choice(({}, {"factor": 3.0}, {"attention_factor": 1.1}))
    theta = rng.choice((100.0, 10000.0))
    if rng.random() < 0.5:
        return {"rope_parameters": {"rope_type": kind, "rope_theta": theta, **own}}
    name = rng.choice(("type", "rope_type"))
    return {"rope_theta": theta} | ({"rope_scaling": {name: kind, **own}} if kind != "default" else {})


def _rope(rng: random.Random, head_dim: int) -> dict[str, Any]:
    return rope(rng.choice(ROPES), rng, head_dim)


def _llama(rng: random.Random) -> dict[str, Any]:
    sizes = _heads(rng)
    bias = {"attention_bias": rng.random() < 0.5, "mlp_bias": rng.random() < 0.5}
    return sizes | _rms(rng) | _act(rng) | _rope(rng, sizes["head_dim"]) | bias | {"pretraining_tp": 2}


def _mistral(rng: random.Random) -> dict[str, Any]:
    sizes = _heads(rng)
    return sizes | _rms(rng) | _act(rng) | _rope(rng, sizes["head_dim"]) | {"sliding_window": rng.choice((None, 2, 5))}


def _windows(rng: random.Random, layers: int) -> dict[str, Any]:
    window = {"sliding_window": rng.choice((3, 7)), "max_window_layers": rng.randrange(layers + 1)}
    if rng.random() < 0.3:
        return window | {"use_sliding_window": False}
    kinds = [rng.choice(("full_attention", "sliding_attention")) for _ in range(layers)]
    return window | {"use_sliding_window": True} | ({"layer_types": kinds} if rng.random() < 0.5 else {})


def _qwen2(rng: random.Random) -> dict[str, Any]:
    sizes = _heads(rng)
    return sizes | _rms(rng) | _act(rng) | _rope(rng, sizes["head_dim"]) | _windows(rng, sizes["num_hidden_layers"])


def _qwen3(rng: random.Random) -> dict[str, Any]:
    return _qwen2(rng) | {"attention_bias": rng.random() < 0.5}


def _gemma2(rng: random.Random) -> dict[str, Any]:
    sizes = _heads(rng)
    kinds = [rng.choice(("full_attention", "sliding_attention")) for _ in range(sizes["num_hidden_layers"])]
    own = {
        "hidden_activation": rng.choice(GATES),
        "query_pre_attn_scalar": rng.choice((3, 16, 64)),
        "attn_logit_softcapping": rng.choice((None, 5.0)),
        "final_logit_softcapping": rng.choice((None, 10.0)),
        "sliding_window": rng.choice((3, 7)),
        "attention_bias": rng.random() < 0.5,
    }
    return (
        sizes | _rms(rng) | _rope(rng, sizes["head_dim"]) | own | ({"layer_types": kinds} if rng.random() < 0.5 else {})
    )


def _olmo2(rng: random.Random) -> dict[str, Any]:
    sizes = _heads(rng)
    return sizes | _rms(rng) | _act(rng) | _rope(rng, sizes["head_dim"]) | {"attention_bias": rng.random() < 0.5}


def _mixtral(rng: random.Random) -> dict[str, Any]:
    sizes = _heads(rng)
    experts = rng.choice((2, 4, 5))
    own = {
        "num_local_experts": experts,
        "num_experts_per_tok": rng.choice([k for k in (1, 2, 3) if k <= experts]),
        "sliding_window": rng.choice((None, 4)),
        "output_router_logits": rng.random() < 0.5,
        "router_aux_loss_coef": 0.1,
    }
    return sizes | _rms(rng) | _act(rng) | _rope(rng, sizes["head_dim"]) | own


def _gpt2(rng: random.Random) -> dict[str, Any]:
    heads = rng.choice((2, 4))
    return {
        "n_head": heads,
        "n_embd": heads * rng.choice((4, 7)),
        "n_layer": rng.choice((2, 3)),
        "n_positions": MAX_LENGTH,
        "n_inner": rng.choice((None, 30)),
        "activation_function": rng.choice(GATES),
        "layer_norm_epsilon": rng.choice((1e-5, 1e-2)),
        "scale_attn_weights": rng.random() < 0.5,
        "scale_attn_by_inverse_layer_idx": rng.random() < 0.5,
        "reorder_and_upcast_attn": rng.random() < 0.5,
        "tie_word_embeddings": rng.random() < 0.5,
        "initializer_range": rng.choice((0.02, 0.05)),
        "attn_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "resid_pdrop": 0.0,
    }


def _opt(rng: random.Random) -> dict[str, Any]:
    heads = rng.choice((2, 4))
    width = heads * rng.choice((4, 7))
    return {
        "num_attention_heads": heads,
        "hidden_size": width,
        "num_hidden_layers": rng.choice((2, 3)),
        "ffn_dim": rng.choice((24, 40)),
        "max_position_embeddings": MAX_LENGTH,
        "activation_function": rng.choice(GATES),
        "do_layer_norm_before": rng.random() < 0.5,
        "_remove_final_layer_norm": rng.random() < 0.3,
        "word_embed_proj_dim": rng.choice((None, width, 12)),
        "enable_bias": rng.random() < 0.5,
        "layer_norm_elementwise_affine": rng.random() < 0.6,
        "tie_word_embeddings": rng.random() < 0.5,
        "init_std": rng.choice((0.02, 0.05)),
        "dropout": 0.0,
    }


_OWN: dict[str, Callable[[random.Random], dict[str, Any]]] = {
    "gpt2": _gpt2,
    "llama": _llama,
    "mistral": _mistral,
    "qwen2": _qwen2,
    "qwen3": _qwen3,
    "gemma2": _gemma2,
    "olmo2": _olmo2,
    "opt": _opt,
    "mixtral": _mixtral,
}
