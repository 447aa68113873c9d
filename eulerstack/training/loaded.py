"""A compiled model in fp32, taken as anyone would take it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from filelock import FileLock
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel
from transformers.dynamic_module_utils import get_class_from_dynamic_module
from transformers.utils import HF_MODULES_CACHE, logging

from eulerstack.compiler import compile_model
from eulerstack.ir.nodes import Model


def loaded(directory: str | Path) -> PreTrainedModel:
    """The model of a compiled directory. Weights are fp32 whatever they are saved in: small steps vanish in bf16."""
    with _quiet():
        _take_code(str(directory))
        return AutoModelForCausalLM.from_pretrained(directory, trust_remote_code=True, dtype=torch.float32)


def built(model: Model, seed: int) -> PreTrainedModel:
    """The model, compiled into a directory that is gone again."""
    with tempfile.TemporaryDirectory(prefix="eulerstack-built-") as parent:
        directory = Path(parent) / "model"
        compile_model(model, directory, tokenizer="skip", seed=seed)
        return loaded(directory)


def _take_code(directory: str) -> None:
    """Let transformers copy the directory's code to where it imports it from, one process of this machine at a time: it
    would read what another has half written.
    """
    Path(HF_MODULES_CACHE).mkdir(parents=True, exist_ok=True)
    with FileLock(Path(HF_MODULES_CACHE) / ".eulerstack.lock"):
        auto_map = AutoConfig.from_pretrained(directory, trust_remote_code=True).auto_map
        get_class_from_dynamic_module(auto_map[AutoModelForCausalLM.__name__], directory)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' own bars, which would stand between ours."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
