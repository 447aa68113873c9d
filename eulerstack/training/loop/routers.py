"""What routers do while a model trains: how its experts are loaded and how sure each choice is.

Shape suffixes: N tokens, E experts, K chosen.
"""

import sys
from collections import defaultdict

import torch
from torch import distributed, nn
from transformers import PreTrainedModel


class RouterWatch:
    """Sums over the training forwards since the last report, kept on the device. Padding is left out."""

    def __init__(self, model: PreTrainedModel):
        self.names = {id(module): name.removeprefix("model.") for name, module in model.named_modules()}
        self.loads: dict[str, torch.Tensor] = {}
        self.entropies: dict[str, torch.Tensor] = {}
        self.objectives: dict[str, torch.Tensor] = {}
        self.forwards: dict[str, int] = defaultdict(int)
        self.seen: object = None
        self.handles = [
            model.get_submodule("model").register_forward_hook(self._trunk),
            model.register_forward_hook(self._whole),
        ]

    def close(self) -> None:
        """Take the hooks out."""
        for handle in self.handles:
            handle.remove()

    @torch.no_grad()
    def _trunk(self, module: nn.Module, args: tuple, output) -> None:  # type: ignore[no-untyped-def]
        """A packed row runs through the trunk twice, inside itself, and gives the same routings both times."""
        routings = getattr(output, "routings", None)
        if not module.training or not routings or self.seen is routings:
            return
        self.seen = routings
        for routing in routings:
            name = self.names[id(routing.router)]
            keep = slice(None) if routing.token_mask is None else routing.token_mask.flatten().bool()
            logits_NE = routing.logits.flatten(0, -2)[keep]
            index_NK = routing.index.flatten(0, -2)[keep]
            code = sys.modules[type(routing.router).__module__]  # the directory's own
            share_NE = code.normalised_affinity(logits_NE, routing.router.affinity)
            load_E = torch.bincount(index_NK.flatten(), minlength=logits_NE.shape[-1])
            entropy = torch.stack([torch.special.entr(share_NE).sum(), share_NE.new_tensor(len(share_NE))])
            self.loads[name] = self.loads.get(name, 0) + load_E
            self.entropies[name] = self.entropies.get(name, 0) + entropy.double()

    @torch.no_grad()
    def _whole(self, module: nn.Module, args: tuple, output) -> None:  # type: ignore[no-untyped-def]
        self.seen = None  # it would keep the step's tensors alive
        if not module.training:
            return
        found = dict(getattr(output, "objectives", None) or {})
        if getattr(output, "aux_loss", None) is not None:
            found["load_balance"] = output.aux_loss
        for name, loss in found.items():
            self.objectives[name] = self.objectives.get(name, 0) + loss.detach().double()
            self.forwards[name] += 1

    def report(self) -> dict:
        """Since the last one, over all processes: `objectives`, the mean of each auxiliary loss before its coefficient,
        and for each of `routers` the experts' shares of the choices, and the mean entropy of a token's own in nats.
        """
        for name, loss in self.objectives.items():
            self.objectives[name] = loss / self.forwards[name]
        processes = 1
        if distributed.is_available() and distributed.is_initialized():
            processes = distributed.get_world_size()
            for sums in (self.loads, self.entropies, self.objectives):
                for name in sorted(sums):
                    distributed.all_reduce(sums[name])
        said: dict = {}
        if self.objectives:
            said["objectives"] = {name: loss.item() / processes for name, loss in self.objectives.items()}
        if self.loads:
            said["routers"] = {
                name: {
                    "load": [round(share, 4) for share in (load / load.sum()).tolist()],
                    "entropy": (self.entropies[name][0] / self.entropies[name][1]).item(),
                }
                for name, load in self.loads.items()
            }
        self.loads.clear()
        self.entropies.clear()
        self.objectives.clear()
        self.forwards.clear()
        return said
