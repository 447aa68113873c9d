"""A shell with the extension loaded, as a notebook has it."""

from collections.abc import Iterator

import pytest
from IPython.core.history import HistoryAccessor
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from eulerstack import api


@pytest.fixture
def shell(monkeypatch) -> Iterator[InteractiveShell]:
    monkeypatch.setattr(HistoryAccessor, "enabled", False)
    config = Config()
    config.HistoryManager.enabled = False
    made = InteractiveShell(config=config)
    made.run_line_magic("load_ext", "eulerstack")
    yield made
    made.run_line_magic("unload_ext", "eulerstack")
    api.bindings.clear()
