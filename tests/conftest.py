"""What every test stands on: no network, one thread per worker, English texts, nothing left in the user's caches."""

import os
import tempfile

# torch, transformers and huggingface_hub read these when they are first imported; child processes inherit them.
_modules = tempfile.TemporaryDirectory(prefix="eulerstack-modules-")
os.environ["HF_MODULES_CACHE"] = _modules.name
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["EULERSTACK_LANG"] = "en"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from eulerstack import i18n

settings.register_profile("everyday", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.load_profile("everyday")


@pytest.fixture(autouse=True)
def _language() -> Iterator[None]:
    """A language that a test chooses ends with it."""
    yield
    i18n.choose(None)
