"""What the model with and without its readout share: how weights are initialised, kept in fp32, and recorded."""

import re

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.utils.output_capturing import OutputRecorder

from .attention_projections import SoftmaxAttention
from .configuration_eulerstack import EulerStackConfig
from .fake_quantization import quantise_in_training
from .initialization import LAWS, apply_law
from .parameter_groups import parameter_groups
from .schedule import NodeBoundary, RouterBoundary


class EulerStackPreTrainedModel(PreTrainedModel):
    """Weights, loading and the capabilities that transformers asks about."""

    config_class = EulerStackConfig
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _no_split_modules = ["EulerStackDecoderLayer"]
    _skip_keys_device_placement = ["past_key_values"]
    _supports_flash_attn = True
    _supports_sdpa = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _keep_in_fp32_modules_strict: list[str] | set[str] = [
        "e_score_correction_bias",
        r"\bA_log$",
        r"\bD$",
        r"committed_\w+",
        "dt_bias",
        "sinks",
        r"\w+_hyper",
        "collapses",
    ]
    _can_record_outputs = {
        "hidden_states": OutputRecorder(
            NodeBoundary, capture_initial_hidden_state=False, num_hidden_layers_key="num_hidden_states"
        ),
        "attentions": SoftmaxAttention,
        "router_logits": OutputRecorder(RouterBoundary),
    }

    def __init__(self, config: EulerStackConfig):
        super().__init__(config)
        self._keep_in_fp32_modules_strict = [*self._keep_in_fp32_modules_strict, *config.keep_in_fp32]

    def optimizer_param_groups(self, lr: float, weight_decay: float | None = None) -> list[dict]:
        """What to hand to an optimizer, under μP above all: read `parameter_groups.py`."""
        return parameter_groups(self, lr, weight_decay)

    def _quantise_in_training(self, module: nn.Module, prefix: str) -> None:
        """Round what the spec's `quant_aware_training` names below `module`, whose names stand below `prefix`."""
        spec = self.config.v1_extensions.get("compatibility", {}).get("quant_aware_training", {})
        if spec.get("enabled"):
            quantise_in_training(module, spec, prefix, type(self)._keep_in_fp32_modules_strict)

    def post_init(self) -> None:
        """As transformers does; of what keeps fp32, only what this model has is remembered."""
        super().post_init()
        names = list(self.state_dict())
        kept = (pattern for pattern in self._keep_in_fp32_modules_strict if any(re.search(pattern, n) for n in names))
        self._keep_in_fp32_modules_strict = set(kept)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        laws = getattr(module, LAWS, None)
        if laws is None:
            super()._init_weights(module)
        else:
            for leaf, law in laws.items():
                apply_law(getattr(module, leaf), law)
        if hasattr(module, "reset_buffers"):
            module.reset_buffers()
