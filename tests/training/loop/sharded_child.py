"""What each process of test_sharded.py does: `python sharded_child.py MODEL ROWS.pt OUT`, under torchrun.

Shards every block of the model and the rest of it, trains on its part of the rows, and leaves the losses, the first
gradients put together, the biases and the sharded state.
"""

import sys
from pathlib import Path

import torch
from torch import distributed
from torch.distributed import checkpoint
from torch.distributed.checkpoint.state_dict import get_model_state_dict
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor
from transformers import AutoModelForCausalLM

LR = 1e-2


def main(directory: str, rows: str, out: str) -> None:
    """A step on each batch of `rows` [steps, processes, B, T]."""
    distributed.init_process_group("gloo")
    rank = distributed.get_rank()
    model = AutoModelForCausalLM.from_pretrained(directory, trust_remote_code=True, dtype=torch.float32).train()
    blocks = [module for module in model.modules() if type(module).__name__ in model._no_split_modules]
    for module in (*blocks, model):
        fully_shard(module)
    optimizer = torch.optim.AdamW(model.optimizer_param_groups(LR))
    losses, gradients = [], {}
    for batch in torch.load(rows):
        loss = model(input_ids=batch[rank], labels=batch[rank]).loss
        loss.backward()
        if not gradients:
            gradients = {name: p.grad.full_tensor() for name, p in model.named_parameters() if p.grad is not None}
        optimizer.step()
        optimizer.zero_grad()
        whole = loss.detach() / distributed.get_world_size()
        distributed.all_reduce(whole)
        losses.append(whole.item())
    checkpoint.save({"model": get_model_state_dict(model)}, checkpoint_id=Path(out) / "state")
    if rank == 0:
        kept = {
            "losses": losses,
            "gradients": gradients,
            "buffers": dict(model.named_buffers()),
            "blocks": len(blocks),
            "sharded": sum(isinstance(module, FSDPModule) for module in model.modules()),
            "whole": [name for name, p in model.named_parameters() if not isinstance(p, DTensor)],
        }
        torch.save(kept, Path(out) / "kept.pt")
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
