"""Documents in one row are kept apart: packed is the same as separate."""

from itertools import pairwise

import pytest
import torch
from torch.nn.functional import cross_entropy

from eulerstack.training.data import Rows, open_source, prepare
from tests.runtime.models.building import build
from tests.runtime.models.sections import VOCABULARY
from tests.runtime.models.specs import SPECS
from tests.training.data.words import byte_tokenizer, write_documents


@pytest.mark.parametrize("name", ["llama", "mamba2", "hyena"])
def test_the_loss_of_a_packed_row_is_that_of_its_documents(name: str, tmp_path) -> None:
    store = prepare(
        open_source(str(write_documents(tmp_path / "text"))), byte_tokenizer(), add_eos=True, cache=tmp_path / "cache"
    )
    row = Rows(store.train, 64)[1]
    row["input_ids"] %= VOCABULARY
    row["labels"] = torch.where(row["labels"] < 0, row["labels"], row["labels"] % VOCABULARY)
    borders = [*(row["position_ids"] == 0).nonzero().flatten().tolist(), 64]
    assert len(borders) > 2
    model = build(SPECS[name]).eval()
    with torch.no_grad():
        packed = model(**{key: value[None] for key, value in row.items()}).loss
        nats = torch.zeros(())
        for first, last in pairwise(borders):
            document = row["input_ids"][None, first:last]
            logits = model(document).logits[0, :-1]
            nats = nats + cross_entropy(logits, document[0, 1:], reduction="sum")
    predicted = 64 - (len(borders) - 1)
    assert packed.item() == pytest.approx(nats.item() / predicted, rel=1e-5)
