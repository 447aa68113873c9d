"""Which presets' twins are built every day."""

from typing import Any

import pytest

EVERYDAY = frozenset({"arch_beginner_gpt2", "arch_intermediate_gemma2", "arch_expert_mixtral_moe", "llm_0p1b_jamba"})
"""A sample, together of many kinds; the others are built in `make test-all`."""


def marked(name: str) -> Any:
    """The preset as a test's parameter, marked slow outside the sample."""
    return pytest.param(name, marks=[] if name in EVERYDAY else [pytest.mark.slow])
