"""Random small models of every family that can be imported, and their imported twins."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from eulerstack.interop import import_model, read
from eulerstack.runtime.modeling_eulerstack import EulerStackForCausalLM
from tests.interop.configs import CLASSES, VOCAB

SPARSE = ("mixtral", "jamba", "qwen3_next", "deepseek_v2", "deepseek_v3", "deepseek_v4", "gpt_oss")


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
            recipes = (r for r in assignment.recipes if all(name in tensors for name in r.sources))
            if recipe := next(recipes, None):  # a buffer has no gradient
                mapped[assignment.target] = recipe.transform([tensors[name] for name in recipe.sources])
        return mapped


def build(family: str, config: dict[str, Any], attention: str = "eager") -> PreTrainedModel:
    """The original with every parameter random, biases and norms included."""
    make_config, make_model = CLASSES[family]
    torch.manual_seed(0)
    attention = attention if make_model._supports_sdpa else "eager"
    model = make_model._from_config(make_config(**config), attn_implementation=attention)
    generator = torch.Generator().manual_seed(len(family))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            one = 1.0 if "norm" in name.lower() or ".ln_" in name else 0.0
            offset = family in ("gemma2", "qwen3_next") and "linear_attn" not in name
            centre = one if name.endswith("weight") and not offset else 0.0
            parameter.copy_(centre + 0.25 * noise)
        for name, buffer in model.named_buffers():
            if name.endswith("e_score_correction_bias"):
                buffer.copy_(0.1 * torch.randn(buffer.shape, generator=generator))
            if name.endswith("tid2eid"):
                shuffled = torch.rand(len(buffer), model.config.n_routed_experts, generator=generator).argsort(dim=1)
                buffer.copy_(shuffled[:, : buffer.shape[1]])
    return model.eval()


def pair(family: str, config: dict[str, Any], directory: Path, attention: str = "eager") -> Pair:
    """An original saved, imported and loaded again as ours."""
    original = build(family, config, attention)
    sources, target = directory / "original", directory / "twin"
    original.save_pretrained(sources)
    import_model(sources, target)
    twin = EulerStackForCausalLM.from_pretrained(target, attn_implementation=attention, dtype=torch.float32)
    sizes = (config.get(name, 0) for name in ("hidden_size", "intermediate_size", "moe_intermediate_size"))
    if family in SPARSE and any(size % 4 for size in sizes):
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
