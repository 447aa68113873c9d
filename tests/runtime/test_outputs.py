"""What a forward returns besides logits, where it was asked for."""

import torch

from tests.runtime.models.building import build, gap, tokens
from tests.runtime.models.layers import layer, mamba, moe
from tests.runtime.models.sections import spec


@torch.no_grad()
def test_packed_sequences_show_the_states_and_routings_of_separate_ones():
    """A recurrent model runs packed sequences as rows of their own, and shows them packed."""
    model = build(spec({"ssm": layer(mamba()), "sparse": layer(ffn=moe())}))
    ids = tokens(batch=1)
    positions = torch.cat([torch.arange(17), torch.arange(24)])[None]
    asked = {"use_cache": False, "output_hidden_states": True, "output_router_logits": True}
    packed = model(ids, position_ids=positions, **asked)
    parts = [model(ids[:, start:end], **asked) for start, end in ((0, 17), (17, 41))]
    assert len(packed.hidden_states) == len(parts[0].hidden_states) == model.config.num_hidden_layers + 1
    for state, *separate in zip(packed.hidden_states, *(part.hidden_states for part in parts), strict=True):
        assert gap(state, torch.cat(separate, dim=1)) < 1e-5
    assert len(packed.router_logits) == 2
    for logits, *separate in zip(packed.router_logits, *(part.router_logits for part in parts), strict=True):
        assert gap(logits, torch.cat(separate)) < 1e-5
    assert model(ids, use_cache=False).router_logits is None
