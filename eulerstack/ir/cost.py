"""What a model costs, in one place: parameters, operations, decoding state, memory of training."""

from collections.abc import Sequence
from dataclasses import replace

from eulerstack.ir.caches import cache_bytes
from eulerstack.ir.flops import ModelWork, model_work
from eulerstack.ir.nodes import Model
from eulerstack.ir.totals import Totals, count
from eulerstack.ir.training_memory import TrainingMemory, training_memory
from eulerstack.ir.workload import Workload
from eulerstack.records import dataclass
from eulerstack.schema.work import Call, Work, total


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFlops:
    """Floating-point operations for one token, a multiply-add counting 2; scans are among them.

    `training`: the mean over a batch of `seq` tokens, forwards and backwards, and forwards again under checkpointing;
    `prefill`: the mean over a prompt of `seq` tokens; `decode`: the last of `seq` tokens.
    """

    training: int
    prefill: int
    decode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Flops:
    """`kernels`: as kernels do it, with scores only of what a query sees; `eager`: as the runtime's eager code is
    written; `per_layer`: as kernels do it, for each entry of the schedule; `rest`: what is outside of it.
    """

    kernels: TokenFlops
    eager: TokenFlops
    per_layer: tuple[TokenFlops, ...]
    rest: TokenFlops


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """Decoding state of one sequence in bytes.

    `fixed`: what a state has whatever its length, `per_token`: what the first token adds to it, `at_seq`: all after the
    workload's `seq` tokens; `per_layer_*`: one number for each entry of the schedule.
    """

    fixed: int
    per_token: int
    at_seq: int
    per_layer_token: tuple[int, ...]
    per_layer_at_seq: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """A model's cost under a workload."""

    workload: Workload
    params: Totals
    flops: Flops
    cache: Cache
    memory: TrainingMemory


def cost(model: Model, workload: Workload | None = None) -> Cost:
    """The cost of a model; without a workload, of `Workload.of(model)`."""
    load = workload or Workload.of(model)
    return Cost(
        workload=load,
        params=count(model),
        flops=flops(model, load),
        cache=decoding_state(replace(model, dtype=load.dtype), load.seq),
        memory=training_memory(model, load),
    )


def flops(model: Model, load: Workload) -> Flops:
    """Operations for one token under a workload."""
    seen = [model_work(model, replace(call, kernels=True)) for call in _calls(load)]
    written = [model_work(model, call) for call in _calls(load)]
    layers = zip(*(work.entries for work in seen), strict=True)
    rest = replace(load, checkpointing=False)
    return Flops(
        kernels=_whole(load, seen),
        eager=_whole(load, written),
        per_layer=tuple(_per_token(load, layer) for layer in layers),
        rest=_per_token(rest, [work.rest for work in seen]),
    )


def _calls(load: Workload) -> tuple[Call, Call, Call]:
    """A batch of training, a prompt, a further token."""
    return (
        Call(batch=load.batch, tokens=load.seq, training=True),
        Call(tokens=load.seq),
        Call(tokens=1, past=load.seq - 1),
    )


def _whole(load: Workload, works: Sequence[ModelWork]) -> TokenFlops:
    """Layers, which checkpointing runs twice, and the rest, which it does not."""
    layers = _per_token(load, [total(work.entries) for work in works])
    rest = _per_token(replace(load, checkpointing=False), [work.rest for work in works])
    return TokenFlops(
        training=layers.training + rest.training,
        prefill=layers.prefill + rest.prefill,
        decode=layers.decode + rest.decode,
    )


def _per_token(load: Workload, works: Sequence[Work]) -> TokenFlops:
    training, prefill, decode = works
    again = training.ahead if load.checkpointing else 0
    return TokenFlops(
        training=round((training.total + again) / (load.batch * load.seq)),
        prefill=round(prefill.ahead / load.seq),
        decode=decode.ahead,
    )


def decoding_state(model: Model, tokens: int) -> Cache:
    """What decoding keeps after `tokens` tokens."""
    empty, one, full = (cache_bytes(model, length) for length in (0, 1, tokens))
    added = tuple(after - before for before, after in zip(empty, one, strict=True))
    return Cache(fixed=sum(empty), per_token=sum(added), at_seq=sum(full), per_layer_token=added, per_layer_at_seq=full)
