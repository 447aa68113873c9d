"""From templates to blocks: one distinct block for each template, override and width of the stream."""

from dataclasses import replace
from itertools import count
from typing import Any

from eulerstack.diagnostics import EulerStackError, Severity, collect, error
from eulerstack.dsl.tree import Path
from eulerstack.ir.nodes import Block, FfnFactors, HyperConnection, Norm, Residual, ShapeChange, State
from eulerstack.records import dataclass
from eulerstack.schema.base import Dims
from eulerstack.schema.ffn import check_ffn, resolve_ffn
from eulerstack.schema.findings import Findings
from eulerstack.schema.memory import resolve_memory
from eulerstack.schema.mixers import AttentionKeys, check_mixer, resolve_mixer
from eulerstack.schema.schedule import OverrideKeys
from eulerstack.schema.spec import Spec
from eulerstack.schema.template import FfnFactorsKeys, HyperKeys, NormKeys, ResidualKeys, ShapeChangeKeys, TemplateKeys

WITHOUT_HEADS = frozenset({"mamba", "hyena", "gated_deltanet"})
"""Mixers that do not read model.n_heads, so that a width it does not divide is no fault."""


class Blocks:
    """The blocks of one model, gathered while its schedule is walked.

    The first block of a template bears the template's name, its variants `name_2`, `name_3`, …, past any name that the
    author uses.
    """

    def __init__(self, spec: Spec, widths: "Widths"):
        self._spec = spec
        self._widths = widths
        self._made: dict[tuple[str, tuple[object, ...], int], Block] = {}
        self._by_name: dict[str, Block] = {}
        self._of_template: dict[str, list[str]] = {}

    @property
    def all(self) -> tuple[Block, ...]:
        """In the order of first use."""
        return tuple(self._by_name.values())

    def __getitem__(self, name: str) -> Block:
        """The block with this name."""
        return self._by_name[name]

    def variants(self, template: str) -> list[str]:
        """The names of the blocks that came from a template, in the order of first use."""
        return self._of_template.get(template, [])

    def make(self, template: str, override: OverrideKeys | None, d_in: int) -> Block:
        """The block for a template where the stream is `d_in` wide."""
        key = (template, _changes(override), d_in)
        if key not in self._made:
            keys = overridden(self._spec.layer_templates[template], override)
            block = self._resolve(template, keys, d_in)
            name = self._name(template, block)
            self._made[key] = self._by_name[name] = replace(block, name=name)
        return self._made[key]

    def _name(self, template: str, block: Block) -> str:
        variants = self._of_template.setdefault(template, [])
        for name in variants:
            if replace(self._by_name[name], name="") == block:
                return name
        taken = {*self._spec.layer_templates, *self._by_name}
        numbered = (f"{template}_{number}" for number in count(2))
        name = next(name for name in numbered if name not in taken) if variants else template
        variants.append(name)
        return name

    def _recheck(self, keys: TemplateKeys, dims: Dims, path: Path) -> None:
        """The schema checked the template alone; an override, or a width that another layer made, may break it."""
        findings = Findings(self._spec.root)
        check_mixer(keys.mixer, dims, findings.below(*path, "mixer"))
        check_ffn(keys.ffn, dims, findings.below(*path, "ffn"))
        errors = [found for found in findings.diagnostics if found.severity is Severity.ERROR]
        if errors:
            raise collect(errors)

    def _resolve(self, template: str, keys: TemplateKeys, d_in: int) -> Block:
        d_model = keys.shape_change.d_out if keys.shape_change else d_in
        path: Path = ("layer_templates", template)
        dims = self._widths.dims(d_model, keys, path)
        self._recheck(keys, dims, path)
        return Block(
            name="",
            d_in=d_in,
            d_model=d_model,
            mixer=resolve_mixer(keys.mixer, dims),
            ffn=resolve_ffn(keys.ffn, dims),
            norm=norm_of(keys.norm, dims.norm_eps),
            residual=_residual_of(keys.residual),
            state=State(kv_cache=keys.state.kv_cache, ssm_state=keys.state.ssm_state),
            memory=resolve_memory(keys.memory, dims) if keys.memory else None,
            shape_change=_shape_change_of(keys.shape_change) if keys.shape_change else None,
            ffn_factors=_ffn_factors_of(keys.ffn_factors),
        )


@dataclass(frozen=True, slots=True)
class Widths:
    """What unwritten sizes are at one width of the stream."""

    spec: Spec

    def head_dim(self, d_model: int) -> int | None:
        """`model.head_dim`, else d_model / n_heads; None where that is not whole."""
        model = self.spec.model
        if model.head_dim is not None:
            return model.head_dim
        quotient, remainder = divmod(d_model, model.n_heads)
        return quotient if not remainder and quotient else None

    def d_ff(self, d_model: int) -> int | None:
        """`model.d_ff`, else mlp_ratio·d_model; None where that is not whole."""
        model = self.spec.model
        return model.d_ff if model.d_ff is not None else whole(model.mlp_ratio * d_model)

    def dims(self, d_model: int, keys: TemplateKeys, at: Path) -> Dims:
        """The numbers a template derives its own from. Raises where one that it needs is not whole."""
        model, embedding = self.spec.model, self.spec.embedding
        head_dim, d_ff = self.head_dim(d_model), self.d_ff(d_model)
        if head_dim is None and keys.mixer.type not in WITHOUT_HEADS:
            raise self.not_whole("head_dim", f"{d_model} / {model.n_heads}", (*at, "mixer"))
        if d_ff is None and _needs_d_ff(keys):
            raise self.not_whole("d_ff", f"{model.mlp_ratio:g} · {d_model}", (*at, "ffn"))
        return Dims(
            d_model=d_model,
            n_heads=model.n_heads,
            n_kv_heads=model.n_kv_heads or model.n_heads,
            head_dim=head_dim or 1,
            d_ff=d_ff or 1,
            norm_eps=model.norm_eps,
            vocab_size=model.vocab_size,
            max_seq_len=model.max_seq_len,
            positional=embedding.positional,
            rope_theta=embedding.rope_theta,
            d_embedded=model.d_model,
        )

    def not_whole(self, key: str, value: str, at: Path) -> EulerStackError:
        """The error for a derived size that is not an integer."""
        return error("not-whole", span=self.spec.span(at), params={"key": key, "value": value})


def whole(value: float) -> int | None:
    """The integer that a product of written numbers means, or None where it is none."""
    nearest = round(value)
    return nearest if nearest >= 1 and abs(value - nearest) <= 1e-9 * nearest else None


def norm_of(keys: NormKeys, norm_eps: float) -> Norm:
    """A template's norm, its eps the model's unless written."""
    eps = norm_eps if keys.eps is None else keys.eps
    return Norm(type=keys.type, position=keys.position, eps=eps, unit_offset=keys.unit_offset, affine=keys.affine)


def overridden(keys: TemplateKeys, override: OverrideKeys | None) -> TemplateKeys:
    """The template as one schedule entry changes it. A written null counts: `attention.window: null` lifts a window."""
    if override is None:
        return keys
    changes: dict[str, dict[str, Any]] = {}
    for field in override.model_fields_set:
        section, _, key = field.partition("_")
        changes.setdefault(section, {})[key] = getattr(override, field)
    parts: dict[str, Any] = {
        section: getattr(keys, section).model_copy(update=changes[section])
        for section in ("residual", "norm", "ffn")
        if section in changes
    }
    if "attention" in changes:
        attention = (keys.mixer.attention or AttentionKeys()).model_copy(update=changes["attention"])
        parts["mixer"] = keys.mixer.model_copy(update={"attention": attention})
    return keys.model_copy(update=parts)


def _changes(override: OverrideKeys | None) -> tuple[object, ...]:
    """What tells two overrides apart: a written null is not an unwritten key."""
    return () if override is None else tuple((f, getattr(override, f)) for f in sorted(override.model_fields_set))


def _needs_d_ff(keys: TemplateKeys) -> bool:
    own = keys.ffn.d_ff is not None or (keys.ffn.moe is not None and keys.ffn.moe.d_expert is not None)
    return keys.ffn.type != "none" and not own


def _residual_of(keys: ResidualKeys) -> Residual:
    return Residual(type=keys.type, scaling=float(keys.scaling), hyper=_hyper_of(keys.hyper) if keys.hyper else None)


def _hyper_of(keys: HyperKeys) -> HyperConnection:
    return HyperConnection(expand=keys.expand, mixing=keys.mixing, sinkhorn_iters=keys.sinkhorn_iters)


def _ffn_factors_of(keys: FfnFactorsKeys | None) -> FfnFactors | None:
    """None where both are 1."""
    factors = FfnFactors(gate=keys.gate, output=keys.output) if keys else None
    return None if factors == FfnFactors(gate=1.0, output=1.0) else factors


def _shape_change_of(keys: ShapeChangeKeys) -> ShapeChange:
    return ShapeChange(d_out=keys.d_out, projection=keys.projection)
