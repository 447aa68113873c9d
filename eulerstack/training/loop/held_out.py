"""Held-out text: how well a model predicts what it was not trained on."""

import math

import torch
import torch.nn.functional as F
from torch import distributed, nn

from eulerstack.training.data import Rows, Store, unigram_loss
from eulerstack.training.data.rows import IGNORED


class HeldOut:
    """Rows of held-out text, read `batch` at a time, shared out among the processes."""

    def __init__(self, store: Store, length: int, rows: int, batch: int):
        self.rows, self.batch = Rows(store.held_out, length).spread(rows), batch
        targets = self.rows["labels"][:, 1:]
        self.unigram = unigram_loss(store.train.counts, targets[targets != IGNORED].numpy())
        self.tokens_per_byte = store.held_out.tokens_per_byte

    @torch.no_grad()
    def loss(self, model: nn.Module, device: torch.device) -> float:
        """The mean cross-entropy of a next token in nats, every token of all rows weighing the same."""
        model.eval()
        first, every = 0, 1
        if distributed.is_available() and distributed.is_initialized():
            first, every = distributed.get_rank(), distributed.get_world_size()
        sums = torch.zeros(2, dtype=torch.float64, device=device)
        batches = zip(*(tensor.split(self.batch) for tensor in self.rows.values()), strict=True)
        for number, tensors in enumerate(batches):
            if number % every != first:
                continue
            inputs = {name: tensor.to(device) for name, tensor in zip(self.rows, tensors, strict=True)}
            target_BT = inputs.pop("labels")[:, 1:]
            logits_BTV = model(**inputs, use_cache=False).logits[:, :-1]
            nats = F.cross_entropy(
                logits_BTV.flatten(0, 1).float(), target_BT.flatten(), ignore_index=IGNORED, reduction="sum"
            )
            sums += torch.stack([nats.double(), (target_BT != IGNORED).sum().double()])
        if every > 1:
            distributed.all_reduce(sums)
        model.train()
        return (sums[0] / sums[1]).item()

    def bits_per_byte(self, nats_per_token: float) -> float:
        """The same as bits for each byte of the text, which models with different tokenizers can be compared by."""
        return nats_per_token * self.tokens_per_byte / math.log(2)
