"""What every schema file builds on: closed keys, resolved nodes, parameters and their initialisation.

Each primitive has one file here with two classes. `XKeys` is what an author may write: a closed, strict pydantic model
whose fields carry type, range and default. `X` is the same thing resolved: a frozen dataclass with the same field
names, every default filled, and no defaults of its own. `X` says what it costs without being built; the runtime reads
its dict form from config.json; printing it gives canonical YAML.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields, replace
from math import prod
from typing import Annotated, Any, ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_plain_validator_function

from eulerstack.records import dataclass

LARGEST_SIZE = 2**31 - 1


class Keys(BaseModel):
    """Closed, strict, frozen: no unknown keys, no "64" or 64.7 or true for an integer."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, defer_build=True, allow_inf_nan=False, validate_default=False
    )

    @classmethod
    def model_rebuild(cls, **settings: Any) -> bool | None:
        """Build this class alone: what it holds is built when a spec first has it, and most is in no spec."""
        with _building(cls):
            return super().model_rebuild(**settings)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The class itself where it is being built, elsewhere a call of it. Its faults keep their places below."""
        if _built.get() is cls:
            return handler(source)
        return no_info_plain_validator_function(cls.model_validate)


_built: ContextVar[type | None] = ContextVar("_built", default=None)


@contextmanager
def _building(keys: type) -> Iterator[None]:
    token = _built.set(keys)
    try:
        yield
    finally:
        _built.reset(token)


@dataclass(frozen=True, slots=True)
class AlsoText:
    """Stands in a number's annotation where it may be written as text too: what the text looks like, and one."""

    pattern: str
    example: str


Size = Annotated[int, Field(ge=1, le=LARGEST_SIZE)]
Count = Annotated[int, Field(ge=0, le=LARGEST_SIZE)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Probability = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dims:
    """The model's own resolved numbers at one place of the stack: what a template's unwritten keys derive from.

    `d_model` is the stream's width here (shape_change alters it), `d_embedded` its width before the first layer (None:
    unknown); `d_ff` is the width of `model.d_ff` or mlp_ratio·d_model.
    """

    d_model: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    d_ff: int
    norm_eps: float
    vocab_size: int
    max_seq_len: int
    positional: Literal["rope", "none", "alibi", "learned"]
    rope_theta: float
    attn_dropout: float = 0.0
    d_embedded: int | None = None


@dataclass(frozen=True, slots=True)
class Init:
    """How a parameter starts, before the model-wide policy (`training_hints.init`, μP) turns it into a law.

    `kind`: hidden (a matrix inside a block), residual (a matrix that writes to the residual stream), embedding,
    readout, router (`arguments` std: a σ of its own), zeros, ones, constant (`value`), or the name of a primitive's own
    law with its `arguments`; or values (`values`: every element, for tensors small enough to be written out).
    `fan_in` counts the inputs of one output unit.
    """

    kind: str
    fan_in: int = 0
    fan_out: int = 0
    value: float = 0.0
    arguments: tuple[tuple[str, float], ...] = ()
    values: tuple[float, ...] = ()


ZEROS = Init("zeros")
ONES = Init("ones")


StateElements = dict[Literal["fp32", "model"], int]
"""How many numbers one sequence's decoding state holds: those always in fp32, and those in the model's dtype."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One tensor of the built model: its name below its block, its shape, its start.

    `active` is how many of its elements one token uses (None: all of them; an embedding table is looked up, so its
    kind tells). `fp32` marks state constants that keep fp32 under every dtype; `buffer` those that no gradient trains,
    which `model.num_parameters()` does not count; `integer` a table of int64.
    """

    name: str
    shape: tuple[int, ...]
    init: Init
    active: int | None = None
    fp32: bool = False
    buffer: bool = False
    integer: bool = False

    @property
    def count(self) -> int:
        """How many elements."""
        return prod(self.shape)

    @property
    def active_count(self) -> int:
        """How many elements one token uses."""
        return self.count if self.active is None else self.active

    def below(self, prefix: str) -> "Parameter":
        """The same tensor, its name below `prefix`."""
        return replace(self, name=f"{prefix}.{self.name}")


def linear(
    name: str, d_in: int, d_out: int, *, bias: bool = False, kind: str = "hidden", fp32: bool = False
) -> Iterator[Parameter]:
    """The parameters of `nn.Linear(d_in, d_out, bias)`: weight `[d_out, d_in]`, bias `[d_out]`."""
    yield Parameter(f"{name}.weight", (d_out, d_in), Init(kind, fan_in=d_in, fan_out=d_out), fp32=fp32)
    if bias:
        yield Parameter(f"{name}.bias", (d_out,), ZEROS, fp32=fp32)


class Resolved(Protocol):
    """A resolved mixer, ffn or memory: a frozen dataclass whose field names are its keys."""

    type: ClassVar[str]
    """The value of `type:` that names it."""

    key: ClassVar[str]
    """The name of its sub-object in YAML (`ttt` for ttt_layer, else the same as `type`)."""

    def parameters(self, d_model: int) -> Iterator[Parameter]:
        """Every tensor that the built module has, named below the module, for a stream of width `d_model`."""


def as_plain(value: Any) -> Any:
    """A resolved dataclass as dicts, lists and scalars: what YAML and config.json hold."""
    if hasattr(value, "__dataclass_fields__"):
        return {f.name: as_plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, tuple | list):
        return [as_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: tagged(item) if hasattr(item, "key") else as_plain(item) for key, item in value.items()}
    return value


def tagged(value: Resolved) -> dict[str, Any]:
    """A resolved mixer as it stands in a template: `{type: ttt_layer, ttt: {...}}`."""
    return {"type": value.type, value.key: as_plain(value)}
