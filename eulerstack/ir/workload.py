"""What a model is asked to do, as far as its cost depends on it."""

from typing import Any, Literal

from eulerstack.ir.nodes import Model
from eulerstack.records import dataclass

Dtype = Literal["float32", "float16", "bfloat16"]
Optimizer = Literal["adamw", "muon", "hybrid"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What a model is asked to do: `batch` sequences of `seq` tokens, weights and activations in `dtype`.

    `skip_logits`: the loss takes them a few rows at a time (config.json's key of that name).
    """

    batch: int
    seq: int
    dtype: Dtype
    optimizer: Optimizer
    checkpointing: bool
    skip_logits: bool

    @classmethod
    def of(cls, model: Model, **written: Any) -> "Workload":
        """What is `written` (keys as the fields'; None: not), else what the spec says: one sequence of max_seq_len."""
        hints = model.training_hints
        defaults = {
            "batch": 1,
            "seq": model.max_seq_len,
            "dtype": model.dtype,
            "optimizer": hints["optimizer"],
            "checkpointing": hints["checkpointing"],
            "skip_logits": False,
        }
        return cls(**defaults | {key: value for key, value in written.items() if value is not None})
