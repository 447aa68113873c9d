"""FSDP2: a model whose blocks are sharded over two processes trains as the whole model does.

By torch's `fully_shard` itself: accelerate has its plugin for accelerators only, and takes CPUs for DDP.
"""

from pathlib import Path

import pytest
import torch
from torch.distributed import checkpoint
from transformers import AutoModelForCausalLM

from tests.runtime.models.layers import delta, hyena, layer, mamba, retnet
from tests.runtime.models.sections import spec
from tests.training.loop.runs import BALANCED, BYTES, compiled, torchrun
from tests.training.loop.sharded_child import LR

pytestmark = pytest.mark.slow

TIED = {"embedding": {"type": "learned", "positional": "rope", "tie_word_embeddings": True}}
RECURRENT = {"m": layer(mamba()), "r": layer(retnet()), "d": layer(delta()), "h": layer(hyena())}
MODELS = {
    "dense": spec({"dense": layer()}, **BYTES),
    "experts": spec({"dense": layer(), "sparse": BALANCED}, **BYTES),
    "recurrent and tied": spec(RECURRENT, **BYTES, **TIED),
}
CHILD = Path(__file__).with_name("sharded_child.py")


def load(directory: Path) -> torch.nn.Module:
    return AutoModelForCausalLM.from_pretrained(directory, trust_remote_code=True, dtype=torch.float32)


def trained(directory: Path, rows: torch.Tensor) -> tuple[torch.nn.Module, list[float], dict[str, torch.Tensor]]:
    """The whole model after the same steps, the processes' parts as micro-batches; losses and the first gradients."""
    model = load(directory).train()
    optimizer = torch.optim.AdamW(model.optimizer_param_groups(LR))
    losses, gradients = [], {}
    for batch in rows:
        parts = [model(input_ids=part, labels=part).loss / len(batch) for part in batch]
        sum(parts).backward()
        gradients = gradients or {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
        optimizer.step()
        optimizer.zero_grad()
        losses.append(sum(parts).item())
    return model, losses, gradients


@pytest.mark.parametrize("name", MODELS)
def test_it_trains_as_the_whole_model_and_its_state_is_the_model(name: str, tmp_path: Path) -> None:
    directory = compiled(MODELS[name], tmp_path / "model")
    rows = torch.randint(0, 256, (3, 2, 2, 24), generator=torch.Generator().manual_seed(1))
    torch.save(rows, tmp_path / "rows.pt")
    torchrun(CHILD, directory, tmp_path / "rows.pt", tmp_path)
    kept = torch.load(tmp_path / "kept.pt")
    model, losses, gradients = trained(directory, rows)
    layers = model.config.num_hidden_layers
    assert (kept["blocks"], kept["sharded"], kept["whole"]) == (layers, layers + 1, [])
    assert kept["losses"] == pytest.approx(losses, rel=1e-5)
    assert losses[0] != losses[1]
    assert kept["gradients"].keys() == gradients.keys()
    for parameter, gradient in gradients.items():
        scale = gradient.abs().max().item()
        torch.testing.assert_close(kept["gradients"][parameter], gradient, rtol=1e-4, atol=1e-5 * scale + 1e-9)
    biases = [buffer for buffer in kept["buffers"] if buffer.endswith("e_score_correction_bias")]
    assert bool(biases) == (name == "experts")
    for bias in biases:
        assert kept["buffers"][bias].abs().max() > 0
        assert torch.equal(kept["buffers"][bias], model.get_buffer(bias))
    again = load(directory)
    checkpoint.load({"model": (state := again.state_dict())}, checkpoint_id=tmp_path / "state", no_dist=True)
    again.load_state_dict(state)
    ours, theirs = again.state_dict(), model.state_dict()
    assert ours.keys() == theirs.keys()
    for key in theirs:
        torch.testing.assert_close(ours[key], theirs[key], rtol=2e-3, atol=2e-4)
    ids = rows[0, 0]
    torch.testing.assert_close(again.eval()(ids).logits, model.eval()(ids).logits, rtol=2e-3, atol=2e-3)
