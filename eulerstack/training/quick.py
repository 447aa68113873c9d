"""The sanity loop: does a compiled model learn? HF Trainer for a minute, on text that every machine has.

The model is taken as anyone would take it, `AutoModelForCausalLM.from_pretrained(directory, trust_remote_code=True)`,
and judged on held-out files against the unigram loss, the score of a model that knows frequencies and no context.
"""

import math
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch.utils.data import Dataset
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from eulerstack.training.corpus import Corpus, standard_library, unigram_loss
from eulerstack.training.report import Outcome, Progress

LENGTH = 128
BATCH = 8
HELD_OUT_ROWS = 64
RATE_AT_64 = 1e-2
"""Peak learning rate of a model 64 wide, a twin's width; Adam's best rate falls as width grows (Yang 2022)."""
WARMUP_STEPS = 20
LR_FLOOR = 0.1
GRAD_CLIP = 1.0
MANY = 10_000_000
"""More steps than anyone waits for."""
PROMPT = "def "
NEW_TOKENS = 240


@dataclass(frozen=True, slots=True)
class Packed(Dataset[dict[str, torch.Tensor]]):
    """Documents in a row, each closed by the end-of-text token, cut to one length: [rows, length]."""

    rows: torch.Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"input_ids": self.rows[index], "labels": self.rows[index]}


def train(
    directory: str | Path,
    *,
    seconds: float = 60.0,
    steps: int | None = None,
    seed: int = 0,
    lr: float | None = None,
    corpus: Corpus | None = None,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Outcome:
    """Train a compiled directory's model for `seconds`, or `steps` where that is sooner, and say whether it learned.

    `report` is called after every step; `lr` is the peak learning rate (default: by the model's width). The directory
    is not written to. Weights are trained in fp32 whatever they are saved in: AdamW's small steps vanish in bf16.
    Raises OSError when the directory has no model or no tokenizer.
    """
    set_seed(seed)
    # AutoTokenizer reads the model's config first, which is the directory's own code
    tokenizer = AutoTokenizer.from_pretrained(directory, trust_remote_code=True)
    model = AutoModelForCausalLM.from_pretrained(
        directory, trust_remote_code=True, dtype=torch.float32, skip_logits=True
    )
    lr = lr or RATE_AT_64 * 64 / model.config.hidden_size
    length = min(LENGTH, model.config.max_position_embeddings)
    texts = corpus or standard_library()
    add_eos = model.config.v1_extensions["tokenizer_contract"]["add_eos"]
    training = pack(tokenizer, texts.train, length, add_eos=add_eos)
    held_out = spread(pack(tokenizer, texts.held_out, length, add_eos=add_eos).rows, HELD_OUT_ROWS)
    before = held_out_loss(model, held_out)
    clock = Clock(seconds, steps or MANY, report)
    trainer = _trainer(model, training, clock, seed=seed, lr=lr)
    trainer.train()
    return Outcome(
        steps=trainer.state.global_step,
        tokens=trainer.state.global_step * BATCH * length,
        seconds=clock.elapsed(),
        parameters=model.num_parameters(),
        before=before,
        after=held_out_loss(model, held_out),
        unigram=unigram_loss(training.rows.flatten().tolist(), held_out.flatten().tolist(), model.config.vocab_size),
        sample=generate(model, tokenizer, seed=seed),
    )


def pack(tokenizer: PreTrainedTokenizerBase, documents: Iterable[str], length: int, *, add_eos: bool) -> Packed:
    """Tokenise and pack documents, each closed by the end-of-text token where `add_eos` says so.

    Raises ValueError when they do not fill one row.
    """
    ids: list[int] = []
    for document in documents:
        ids += tokenizer(document, add_special_tokens=False, verbose=False).input_ids
        if add_eos and tokenizer.eos_token_id is not None:
            ids.append(tokenizer.eos_token_id)
    rows = len(ids) // length
    if not rows:
        raise ValueError(f"the documents have {len(ids)} tokens, fewer than one row of {length}")
    return Packed(torch.tensor(ids[: rows * length]).view(rows, length))


def spread(rows: torch.Tensor, count: int) -> torch.Tensor:
    """`count` of the rows (all, where there are fewer) at equal distances, so that every document has its share."""
    return rows[:: max(1, len(rows) // count)][:count]


@torch.no_grad()
def held_out_loss(model: PreTrainedModel, rows: torch.Tensor) -> float:
    """Mean next-token cross-entropy in nats over `rows` [rows, length], auxiliary losses left out."""
    model.eval()
    total = 0.0
    for batch in rows.to(model.device).split(BATCH):
        logits = model(input_ids=batch, use_cache=False).logits[:, :-1]
        total += F.cross_entropy(logits.flatten(0, 1).float(), batch[:, 1:].flatten(), reduction="sum").item()
    return total / (rows.shape[0] * (rows.shape[1] - 1))


@torch.no_grad()
def generate(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, seed: int, prompt: str = PROMPT) -> str:
    """A continuation of `prompt`, sampled with the cache."""
    model.eval()
    set_seed(seed)
    prompt_ids = tokenizer(prompt, return_tensors="pt").input_ids.to(model.device)
    room = model.config.max_position_embeddings - prompt_ids.shape[1]
    tokens = model.generate(  # type: ignore[operator]  # transformers types it on a mixin
        prompt_ids, max_new_tokens=min(NEW_TOKENS, room), do_sample=True, temperature=0.7, top_k=40, use_cache=True
    )
    return str(tokenizer.decode(tokens[0], skip_special_tokens=True))


class Clock(TrainerCallback):
    """Ends the run when its time or its steps are over, and reports every step."""

    def __init__(self, seconds: float, steps: int, report: Callable[[Progress], None]):
        self.seconds = seconds
        self.steps = steps
        self.report = report
        self.started = time.monotonic()

    def elapsed(self) -> float:
        """Seconds since training began."""
        return time.monotonic() - self.started

    def factor(self, step: int) -> float:
        """The learning rate's factor: up over the first steps, then down a cosine of how much of the run is over."""
        warm = min(1.0, (step + 1) / WARMUP_STEPS)
        over = min(1.0, max(self.elapsed() / self.seconds, step / self.steps))
        fall = 0.5 * (1 + math.cos(math.pi * over))
        return warm * (LR_FLOOR + (1 - LR_FLOOR) * fall)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The clock starts with the first step: loading the model and tokenising do not count."""
        self.started = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Stop when the time is over."""
        if self.elapsed() >= self.seconds:
            control.should_training_stop = True

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        """Trainer logs the loss of each step."""
        if logs and "loss" in logs:
            self.report(Progress(step=state.global_step, elapsed=self.elapsed(), loss=float(logs["loss"])))


def _trainer(model: PreTrainedModel, data: Packed, clock: Clock, *, seed: int, lr: float) -> Trainer:
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 0.95), weight_decay=0.1)
    with tempfile.TemporaryDirectory() as scratch:  # Trainer wants a place for checkpoints, and none is written
        arguments = TrainingArguments(
            output_dir=scratch,
            per_device_train_batch_size=BATCH,
            max_steps=clock.steps,
            max_grad_norm=GRAD_CLIP,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            seed=seed,
            dataloader_drop_last=True,
            dataloader_pin_memory=torch.cuda.is_available(),
        )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, clock.factor)
    trainer = Trainer(
        model=model, args=arguments, train_dataset=data, callbacks=[clock], optimizers=(optimizer, schedule)
    )
    trainer.remove_callback(PrinterCallback)  # `report` tells, and nothing else
    return trainer
