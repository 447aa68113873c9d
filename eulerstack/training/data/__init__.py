"""Text to train on: where it comes from, its tokens on disk, and rows of one length made of them."""

from eulerstack.training.data.order import Endless
from eulerstack.training.data.rows import Rows
from eulerstack.training.data.sources import STANDARD_LIBRARY, Source, open_source
from eulerstack.training.data.store import Store, prepare, unigram_loss

__all__ = ["STANDARD_LIBRARY", "Endless", "Rows", "Source", "Store", "open_source", "prepare", "unigram_loss"]
