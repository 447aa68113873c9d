"""Hyena: gated long convolutions whose filters are implicit functions of time (Poli 2023)."""

from collections.abc import Iterator
from typing import ClassVar

from eulerstack.records import dataclass
from eulerstack.schema.base import ONES, Dims, Init, Keys, NonNegative, Parameter, Size, StateElements, linear
from eulerstack.schema.mixers.mamba import depthwise_conv, uniform
from eulerstack.schema.report import Report
from eulerstack.schema.saved import Saved
from eulerstack.schema.work import Call, Work, applied, fourier, scan

SHORT = 3
"""Width of the short convolution."""

FEATURES = 3
"""What a filter's network is told of a time."""


class HyenaKeys(Keys):
    """`mixer.hyena` as an author writes it."""

    depth: Size = 2
    filter_hidden: Size = 64
    filter_decay: NonNegative = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyena:
    """A Hyena operator of order `depth`.

    `filter_decay` is the slowest filter's rate: over max_seq_len tokens it falls to exp(−rate), the fastest to
    exp(−5·rate). 0 stands for the published rate, ln(100) / 1.5.
    """

    type: ClassVar[str] = "hyena"
    key: ClassVar[str] = "hyena"

    depth: int
    filter_hidden: int
    filter_decay: float

    @classmethod
    def resolve(cls, keys: HyenaKeys, dims: Dims) -> "Hyena":
        """Nothing here derives from the model."""
        return cls(depth=keys.depth, filter_hidden=keys.filter_hidden, filter_decay=keys.filter_decay)

    def parameters(self, d_model: int) -> Iterator[Parameter]:
        """The tensors of the published operator; its features of time are fixed here."""
        width, channels = (self.depth + 1) * d_model, (self.depth - 1) * d_model
        yield from linear("in_proj", d_model, width, bias=True)
        yield from depthwise_conv("conv1d", width, SHORT)
        for index, inputs in enumerate((FEATURES, self.filter_hidden, self.filter_hidden)):
            yield Parameter(f"filter.layers.{index}.weight", (self.filter_hidden, inputs), uniform(inputs**-0.5))
            yield Parameter(f"filter.layers.{index}.bias", (self.filter_hidden,), uniform(inputs**-0.5))
        yield Parameter("filter.frequency", (self.filter_hidden,), ONES)
        yield Parameter("filter.out_proj.weight", (channels, self.filter_hidden), uniform(self.filter_hidden**-0.5))
        yield Parameter("skip", (self.depth - 1, d_model), Init("normal", arguments=(("std", 1.0),)))
        yield from linear("out_proj", d_model, d_model, bias=True, kind="residual")

    def state_elements(self, d_model: int, tokens: int) -> StateElements:
        """The short convolution's last inputs, and every token's gated inputs. All sequences share the filters."""
        return {"model": ((self.depth + 1) * (SHORT - 1) + (self.depth - 1) * tokens) * d_model}

    def work(self, d_model: int, call: Call) -> Work:
        """Projections and the short convolution; once for all sequences the filters' network on every tap; and a scan,
        the long convolutions.

        A long convolution takes three transforms of the first size in 4, 5, 6, 8 · 2^k that holds two sequences, two
        of them of each channel of each sequence, one of each filter; backwards likewise; and 6 operations a frequency
        to multiply them, backwards twice. A transform of n real numbers is 2.5·n·log₂ n. A single token's
        convolution sums all products with the past, and its filters are at hand.
        """
        network = [p for p in self.parameters(d_model) if p.name.startswith("filter.")]
        around = applied((p for p in self.parameters(d_model) if not p.name.startswith("filter.")), call.rows)
        filters = (self.depth - 1) * d_model
        if call.tokens == 1 and call.past:
            return around + scan(2 * call.batch * filters * call.end)
        first = [p for p in network if p.name.startswith("filter.layers.0.")]
        taps = applied((p for p in network if p not in first), call.end) + applied(first, call.end, grads=1)
        if call.tokens == 1:
            return around + taps + scan(2 * call.batch * filters)
        size = transform_size(call.end)
        transform, meet = fourier(size), 6 * (size // 2 + 1)
        ahead = (2 * call.batch + 1) * transform + call.batch * meet
        back = (2 * call.batch + 1) * transform + 2 * call.batch * meet
        return around + taps + scan(filters * ahead, filters * back)

    def saved(self, d_model: int, call: Call) -> Saved:
        """The short convolution before and after, the gated inputs; in fp32 the spectra of inputs and filters, and once
        for all sequences the filters and what their network made of every tap.
        """
        filters = (self.depth - 1) * d_model
        spectrum = filters * (transform_size(call.tokens) + 2)
        outer = d_model + 2 * (self.depth + 1) * d_model + 2 * filters + d_model
        network = call.tokens * (9 * self.filter_hidden + FEATURES + filters)
        wide = (call.batch + 1) * spectrum + network
        return Saved(model=call.rows * outer, fp32=wide, copies=call.rows * filters)


def transform_size(length: int) -> int:
    """The least of 4, 5, 6, 8 · 2^k that holds two sequences of `length`."""
    power = 1 << max(2 * length - 1, 4).bit_length() - 3
    return next(size for size in (4 * power, 5 * power, 6 * power, 8 * power) if size >= 2 * length)


def check(keys: HyenaKeys, dims: Dims, report: Report) -> None:
    """An operator has at least one long convolution."""
    if keys.depth < 2:
        report("hyena-order-too-small", ("depth",), depth=keys.depth)
