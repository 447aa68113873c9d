"""How tensors start: the laws that stand in config.json, applied through transformers' guarded initialisers."""

import math

import torch
from torch import nn
from transformers import initialization as init


def apply_law(tensor: torch.Tensor, law: dict) -> None:
    """Fill `tensor` by its law, unless it was loaded from a checkpoint."""
    match law["law"]:
        case "normal":
            init.normal_(tensor, mean=0.0, std=law["std"])
        case "zeros":
            init.zeros_(tensor)
        case "ones":
            init.ones_(tensor)
        case "constant":
            init.constant_(tensor, law["value"])
        case "uniform":
            init.uniform_(tensor, law["low"], law["high"])
        case "hash_experts":
            vocab, top_k = tensor.shape
            init.copy_(tensor, hash_experts(vocab, top_k, law["experts"], law["salt"]).to(tensor.device))
        case "values":
            init.copy_(tensor, torch.tensor(law["values"], device=tensor.device).view(tensor.shape))
        case "log_of_index":
            steps = torch.arange(1, tensor.shape[-1] + 1, dtype=torch.float32, device=tensor.device)
            init.copy_(tensor, (steps / law.get("every", 1.0)).ceil().log().expand_as(tensor))
        case "log_of_uniform":
            drawn = torch.empty_like(tensor, dtype=torch.float32).uniform_(law["low"], law["high"])
            init.copy_(tensor, drawn.log())
        case "inverse_softplus_log_uniform":
            drawn = torch.empty_like(tensor, dtype=torch.float32).uniform_(math.log(law["low"]), math.log(law["high"]))
            step = drawn.exp().clamp(min=law["floor"])
            init.copy_(tensor, step + torch.log(-torch.expm1(-step)))
        case other:
            raise ValueError(f"unknown initialisation law {other!r}")


def hash_experts(vocab: int, top_k: int, experts: int, salt: int, first_token: int = 0) -> torch.Tensor:
    """The experts [vocab, top_k] that a hash chooses: distinct for a token, balanced over the vocabulary.

    With p = (a·v + b) mod vocab, a permutation given by the salt, the first is p mod E, so that every expert is first
    for equally many tokens, to within one; the others follow it at distances that change with ⌊p/E⌋.
    """
    factor, shift = permutation(vocab, salt)
    token_V1 = torch.arange(first_token, vocab)[:, None]
    choice_K = torch.arange(top_k)
    p_V1 = (factor * token_V1 + shift) % vocab
    others_VK = 1 + (p_V1 // experts + choice_K - 1) % max(experts - 1, 1)
    return (p_V1 % experts + torch.where(choice_K == 0, 0, others_VK)) % experts


def permutation(vocab: int, salt: int) -> tuple[int, int]:
    """a and b of the permutation v → (a·v + b) mod vocab that a salt stands for."""
    factor = 2 * (salt * 2654435761 % max(vocab // 2, 1)) + 1
    while math.gcd(factor, vocab) != 1:
        factor += 1
    return factor % vocab, salt * 40503 % vocab


LAWS = "initialization_laws"
"""The attribute of a module that holds the laws of its own tensors."""


def attach_laws(root: nn.Module, laws: dict[str, dict]) -> None:
    """Write each tensor's law on the module that owns it, where `_init_weights` finds it."""
    for name, law in laws.items():
        owner, _, leaf = name.rpartition(".")
        module = root.get_submodule(owner)
        setattr(module, LAWS, {**getattr(module, LAWS, {}), leaf: law})
