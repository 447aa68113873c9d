"""Which of the parametrised suite runs every day."""

import pytest

from tests.runtime.models.specs import SPECS

EVERYDAY = frozenset(
    (
        "llama",
        "sandwich_softcap",
        "windows",
        "alibi",
        "mixtral",
        "moe_deepseek",
        "mtp",
        "kv_from",
        "streams_cross_attn",
        "ode_rk4",
        "mhc",
        "mod_moe",
        "hourglass",
        "mla",
        "ttt_linear",
        "memory_neural",
        "csa",
        "nsa",
        "mamba1",
        "mamba2",
        "retnet",
        "hyena",
        "delta",
        "branched",
        "phases_hidden",
    )
)
"""Those of `SPECS` that every test run covers; the others vary them, and run in `make test-all`."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the other models slow."""
    for item in items:
        name = getattr(item, "callspec", None) and item.callspec.params.get("name")
        if name in SPECS and name not in EVERYDAY:
            item.add_marker(pytest.mark.slow)
