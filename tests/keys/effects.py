"""What a key may change. Each effect is what can be seen of one model; two that differ in a live key differ in it.

The models of a row have equal weights wherever they have a tensor of one name and shape, so that a difference is the
key's. Effects that need no model read the lowered spec.
"""

import contextlib
import json
import tempfile
from copy import deepcopy
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer

from eulerstack import dsl, ir, schema
from eulerstack.compiler import compile_model, config_dict, tensors_of
from eulerstack.compiler.brought import fresh
from eulerstack.compiler.tokenizer import SpecialIds
from eulerstack.diagnostics import Severity, Source
from eulerstack.drawing.dot import to_dot
from eulerstack.ir.caches import cache_bytes
from eulerstack.ir.yaml_text import dump
from eulerstack.runtime.configuration_eulerstack import EulerStackConfig
from eulerstack.runtime.modeling_eulerstack import EulerStackForCausalLM
from eulerstack.training.data import sources
from eulerstack.training.data.store import prepare
from tests.keys.rows import Plain
from tests.runtime.models.building import gap, randomise, to_ir, tokens

PAD, TRANSITION = 0, 3
LENGTH = 24
SEEN = 2e-5
"""The least difference that counts: what the tests of decoding call equal."""


class Subject:
    """One spec of a row. `donor`, the first of the row, gives its weights to the models that come after it."""

    def __init__(self, plain: Plain, donor: "Subject | None" = None):
        self.plain, self.donor = plain, donor
        self.weights: dict[str, torch.Tensor] = {}

    @cached_property
    def ir(self) -> ir.Model:
        return to_ir(self.plain)

    @cached_property
    def config(self) -> Plain:
        return config_dict(self.ir, SpecialIds(pad=PAD, transition=TRANSITION))

    @cached_property
    def model(self) -> EulerStackForCausalLM:
        """In evaluation, every parameter random."""
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = randomise(EulerStackForCausalLM(EulerStackConfig(**deepcopy(self.config))))
        given = self.donor.weights if self.donor else {}
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name in given and given[name].shape == parameter.shape:
                    parameter.copy_(given[name])
        # Some effects train it.
        self.weights = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
        return model.eval()


def differ(a: Any, b: Any) -> bool:
    """Whether two observations are not the same; of numbers only a difference above fp32's noise counts."""
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return a.shape != b.shape or gap(a.float(), b.float()) > SEEN
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() != b.keys() or any(differ(a[key], b[key]) for key in a)
    return a != b


@torch.no_grad()
def logits(subject: Subject) -> torch.Tensor:
    """In evaluation, of a text longer than some specs' max_seq_len."""
    return subject.model(tokens(1, LENGTH)).logits


@torch.no_grad()
def short_logits(subject: Subject) -> torch.Tensor:
    """The same, of a text that no scaling of rope calls long."""
    return subject.model(tokens(1, 8)).logits


@torch.no_grad()
def far_logits(subject: Subject) -> torch.Tensor:
    """The same, where every weight is far from its start."""
    for parameter in subject.model.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    return logits(subject)


def loss(subject: Subject) -> torch.Tensor:
    """In training, of the same text under the same random numbers."""
    ids = tokens(2, LENGTH)
    torch.manual_seed(0)
    return subject.model.train()(ids, labels=ids).loss


def gradient(subject: Subject) -> dict[str, torch.Tensor]:
    """Of the loss of a text that the pad token stands in."""
    ids = tokens(2, LENGTH)
    ids[:, 5] = PAD
    torch.manual_seed(0)
    subject.model.train()(ids, labels=ids).loss.backward()
    named = subject.model.named_parameters()
    return {name: parameter.grad.clone() for name, parameter in named if parameter.grad is not None}


def kept(subject: Subject) -> int:
    """Bytes that a training step keeps for its backward pass."""
    sizes: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss(subject)
    return sum(sizes.values())


def corrected(subject: Subject) -> dict[str, torch.Tensor]:
    """The buffers of the model after one step of an optimizer."""
    optimizer = torch.optim.SGD(subject.model.parameters(), lr=0.1)
    loss(subject).backward()
    optimizer.step()
    return {name: buffer.clone() for name, buffer in subject.model.named_buffers()}


@torch.no_grad()
def generation(subject: Subject) -> list[int]:
    """The greedy continuation of a prompt."""
    return _generate(subject)[0].tolist()


@torch.no_grad()
def shown(subject: Subject) -> list[int]:
    """What a user is to read of it."""
    return subject.model.visible_tokens(_generate(subject), 6)[0].tolist()


def _generate(subject: Subject, **options: Any) -> torch.Tensor:
    return subject.model.generate(tokens(1, 6), do_sample=False, pad_token_id=PAD, **options)


@torch.no_grad()
def remembered(subject: Subject) -> dict[str, Any]:
    """What a model says to a text after it has generated another one: with the same cache, and with a new one."""
    model, ids = subject.model, tokens(1, 12, seed=4)
    cache = model.model.build_cache()
    spoken = model.generate(tokens(1, 6), past_key_values=cache, max_new_tokens=4, do_sample=False, pad_token_id=PAD)
    again = model.generate(
        torch.cat([spoken, ids], dim=1), past_key_values=cache, max_new_tokens=1, do_sample=False, pad_token_id=PAD,
        return_dict_in_generate=True, output_logits=True,
    )  # fmt: skip
    return {"same": again.logits[0], "new": model(ids).logits}


def cost(subject: Subject) -> tuple:
    """Parameters in all and active, and bytes of cache after one token and after many."""
    totals = ir.count(subject.ir)
    return totals.total, totals.active, cache_bytes(subject.ir, 1), cache_bytes(subject.ir, 48)


def initialisation(subject: Subject) -> list[tuple]:
    """Every tensor that is written, with its law and its type on disk."""
    return [(tensor.name, tensor.shape, tensor.law, tensor.dtype) for tensor in tensors_of(subject.ir)]


def first_weights(subject: Subject) -> bytes:
    """The weights of a compiled directory."""
    with tempfile.TemporaryDirectory() as folder:
        written = compile_model(subject.ir, Path(folder) / "model", tokenizer="skip")
        return (written.path / "model.safetensors").read_bytes()


def training(subject: Subject) -> Plain:
    """What config.json tells a trainer."""
    return subject.config["training_hints"]


def groups(subject: Subject) -> list[tuple]:
    """Which optimizer takes which parameters, with what rate and decay."""
    told = subject.model.optimizer_param_groups(1.0)
    return [(group["names"], group["lr"], group["weight_decay"], group["optimizer"]) for group in told]


def handed_on(subject: Subject) -> Plain:
    """What config.json tells of the spec beyond the architecture."""
    return subject.config["v1_extensions"]


def picture(subject: Subject) -> str:
    """The drawing."""
    return to_dot(subject.ir)


def errors(subject: Subject) -> set[str]:
    """What is wrong with the spec."""
    document = dsl.resolve(Source("tiny.yml", dump(subject.plain)), dsl.relative_lookup)
    return {found.code for found in schema.check(document).diagnostics if found.severity is Severity.ERROR}


def tokenizer_files(subject: Subject) -> dict[str, str]:
    """The tokenizer saved beside the model. Two published ones, `./one` and `./two`, stand in the working folder."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for name, words in {"one": ["a", "b"], "two": ["a", "b", "c"]}.items():
            _publish(Path(name), words)
        target = Path(folder, "saved")
        target.mkdir()
        assert fresh(subject.ir, seed=0, tokenizer="require").tokenizer(target).exists
        return {path.name: path.read_text("utf-8") for path in target.iterdir()}


def _publish(folder: Path, words: list[str]) -> None:
    folder.mkdir()
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate([*words, "?"])}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "?"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def data(subject: Subject) -> dict[str, torch.Tensor]:
    """Sixteen documents as training reads them, one of them held out: the tokens, and where each document begins."""
    add_eos = subject.config["v1_extensions"]["tokenizer_contract"]["add_eos"]
    source = sources.Source("words", "words", 40, lambda: iter(["ab", "cde"] * 8))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        fresh(subject.ir, seed=0, tokenizer="require").tokenizer(place)
        part = prepare(source, AutoTokenizer.from_pretrained(folder), add_eos=add_eos, cache=place / "cache").train
        return {"tokens": torch.from_numpy(part.tokens.astype(int)), "starts": torch.from_numpy(part.starts.copy())}
