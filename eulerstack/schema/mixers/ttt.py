"""Test-time training layers: a state that is itself a model, trained on every token (Sun 2024)."""

from collections.abc import Iterator
from itertools import pairwise
from typing import ClassVar, Literal

from eulerstack.records import dataclass
from eulerstack.schema.base import ONES, ZEROS, Dims, Init, Keys, Parameter, Positive, Size, StateElements, linear
from eulerstack.schema.inner_work import KEPT_BYTES, Matrix, descent, read, segments, twice
from eulerstack.schema.report import Report
from eulerstack.schema.saved import Saved
from eulerstack.schema.work import Call, Work, applied, product, scan, total


class InnerModelKeys(Keys):
    """`ttt.inner_model`: the model that is the state, one per head."""

    type: Literal["mlp", "linear"] = "mlp"
    hidden: Size | None = None


class TttKeys(Keys):
    """`mixer.ttt` as an author writes it."""

    inner_model: InnerModelKeys = InnerModelKeys.model_construct()
    inner_optimizer: Literal["sgd", "adamw"] = "sgd"
    inner_lr: Positive = 0.01
    inner_steps_per_token: Size = 1
    chunk_size: Size = 16
    n_heads: Size | None = None


PUBLISHED_HIDDEN = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class InnerModel:
    """A linear map, or a two-layer MLP of width `hidden` (None for linear)."""

    type: Literal["mlp", "linear"]
    hidden: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ttt:
    """A TTT layer with every number filled in."""

    type: ClassVar[str] = "ttt_layer"
    key: ClassVar[str] = "ttt"

    inner_model: InnerModel
    inner_optimizer: Literal["sgd", "adamw"]
    inner_lr: float
    inner_steps_per_token: int
    chunk_size: int
    n_heads: int

    @classmethod
    def resolve(cls, keys: TttKeys, dims: Dims) -> "Ttt":
        """Heads are the model's where the template names none."""
        inner = keys.inner_model
        hidden = None if inner.type == "linear" else inner.hidden or PUBLISHED_HIDDEN
        return cls(
            inner_model=InnerModel(type=inner.type, hidden=hidden),
            inner_optimizer=keys.inner_optimizer,
            inner_lr=keys.inner_lr,
            inner_steps_per_token=keys.inner_steps_per_token,
            chunk_size=keys.chunk_size,
            n_heads=keys.n_heads or dims.n_heads,
        )

    def parameters(self, d_model: int) -> Iterator[Parameter]:
        """The names of the reference implementation (test-time-training/ttt-lm-pytorch)."""
        heads, width = self.n_heads, d_model // self.n_heads
        for name in ("q_proj", "k_proj", "v_proj"):
            yield from linear(name, d_model, d_model)
        yield from self._inner(heads, width)
        yield Parameter("learnable_ttt_lr_weight", (heads, 1, d_model), Init("hidden", d_model, 1))
        yield Parameter("learnable_ttt_lr_bias", (heads, 1), ZEROS)
        yield Parameter("learnable_token_idx", (self.chunk_size,), ZEROS)
        yield Parameter("ttt_norm_weight", (heads, width), ONES)
        yield Parameter("ttt_norm_bias", (heads, width), ZEROS)
        yield Parameter("post_norm.weight", (d_model,), ONES)
        yield Parameter("post_norm.bias", (d_model,), ZEROS)
        yield from linear("o_proj", d_model, d_model, kind="residual")

    def state_elements(self, d_model: int, tokens: int) -> StateElements:
        """The weights, AdamW's moments of them, and the sum of each step's gradients in an unfinished chunk."""
        weights = sum(parameter.count for parameter in self._inner(self.n_heads, d_model // self.n_heads))
        return {"fp32": weights * (self.inner_steps_per_token + (3 if self.inner_optimizer == "adamw" else 1))}

    def work(self, d_model: int, call: Call) -> Work:
        """Projections, the tokens' rates, and the inner loop of each head in fp32 (`inner_work`).

        AdamW forms every token's weights, so that a reading is I·O a token; forming them is a scan of 19 operations for
        each number, token and inner step, backwards twice that.
        """
        heads, matrices = call.batch * self.n_heads, self._matrices(d_model // self.n_heads)
        around = applied(self.parameters(d_model), call.rows) + product(call.rows, d_model, self.n_heads)
        steps, adam = self.inner_steps_per_token, self.inner_optimizer == "adamw"
        parts = list(segments(call, self.chunk_size))
        if adam:
            inner = total(self._formed(matrices, segment.length, steps) * times for segment, times in parts)
        else:
            inner = total(descent(matrices, steps, segment) * times for segment, times in parts)
        numbers = sum(inputs * outputs for inputs, outputs in matrices)
        carried = 4 * heads * numbers * ((3 if adam else 1) + steps)
        kept = carried * sum(times for _, times in parts) * (self.chunk_size if adam else 1)
        return around + twice(inner * heads, kept if call.training else 0)

    def saved(self, d_model: int, call: Call) -> Saved:
        """In fp32: for each token what its losses, their gradients and its readings made of it, and the products with
        the others of its chunk; the weights a few times a chunk. AdamW keeps each token's weights five times a step.

        Where too much would be kept, the inner loop keeps its weights at every eighth chunk only.
        """
        matrices, steps = self._matrices(d_model // self.n_heads), self.inner_steps_per_token
        adam, size = self.inner_optimizer == "adamw", min(self.chunk_size, call.tokens)
        numbers = self.n_heads * sum(inputs * outputs for inputs, outputs in matrices)
        widths = self.n_heads * sum(inputs for inputs, _ in matrices)
        hidden = self.n_heads * (self.inner_model.hidden or 0)
        outer = Saved(model=call.rows * 2 * d_model, fp32=call.rows * 2 * d_model)
        vectors = 8 * d_model + 3 * widths + 10 * hidden
        if adam:
            inner = vectors * (1 + steps) / 2 + 5 * steps * numbers
        else:
            squares = self.n_heads * size * (3 if len(matrices) == 1 else 5) * steps
            inner = vectors * (1 + steps) / 2 + squares + 2.25 * numbers * steps / size
        kept_bytes = 4 * call.rows * numbers * ((3 if adam else 1) + steps) / (1 if adam else size)
        share = 1.0 if kept_bytes <= KEPT_BYTES else 0.1
        return outer + Saved(fp32=share * call.rows * inner)

    def _formed(self, matrices: list[Matrix], length: int, steps: int) -> Work:
        numbers = length * sum(inputs * outputs for inputs, outputs in matrices)
        each = [read(matrix, length) for matrix in matrices]
        forming = scan(19 * steps * numbers, 38 * steps * numbers)
        return (total(each) + total(each[1:])) * steps + total(each) + forming

    def _matrices(self, width: int) -> list[Matrix]:
        """Inputs, the bias one of them, and outputs."""
        hidden = self.inner_model.hidden
        sizes = (width, width) if hidden is None else (width, hidden, width)
        return [(inputs + 1, outputs) for inputs, outputs in pairwise(sizes)]

    def _inner(self, heads: int, width: int) -> Iterator[Parameter]:
        sizes = (width, width) if self.inner_model.hidden is None else (width, self.inner_model.hidden, width)
        for layer, (d_in, d_out) in enumerate(pairwise(sizes), start=1):
            yield Parameter(f"W{layer}", (heads, d_in, d_out), Init("hidden", d_in, d_out))
            yield Parameter(f"b{layer}", (heads, 1, d_out), ZEROS)


def check(keys: TttKeys, dims: Dims, report: Report) -> None:
    """Heads tile the stream, and a rotated head has pairs; a linear inner model has no hidden width."""
    n_heads = keys.n_heads or dims.n_heads
    if dims.d_model % n_heads:
        place = ("n_heads",) if keys.n_heads else ()
        report("heads-not-dividing", place, n_heads=n_heads, d_model=dims.d_model)
    elif dims.positional == "rope" and dims.d_model // n_heads % 2:
        report("ttt-head-odd", ("n_heads",) if keys.n_heads else (), head_dim=dims.d_model // n_heads, n_heads=n_heads)
    if keys.inner_model.type == "linear" and keys.inner_model.hidden:
        report("ttt-hidden-unused", ("inner_model", "hidden"))
