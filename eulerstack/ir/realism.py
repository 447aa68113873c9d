"""Realism rules that need the model's cost; those that need none live with the schema."""

from fnmatch import fnmatchcase

from eulerstack.diagnostics import Diagnostic
from eulerstack.ir.nodes import Model
from eulerstack.ir.parameters import parameter_table
from eulerstack.ir.totals import count
from eulerstack.schema.findings import Findings
from eulerstack.schema.spec import Spec

TARGET_TOLERANCE = 0.30


def realism(spec: Spec, model: Model) -> list[Diagnostic]:
    """What is unusual about a lowered spec's cost."""
    findings = Findings(spec.root)
    _target(model, findings)
    _quantisation(model, findings)
    return findings.diagnostics


def _quantisation(model: Model, findings: Findings) -> None:
    quant = model.compatibility.get("quant_aware_training", {})
    if not quant.get("enabled") or not quant["scope"]:
        return
    weights = [parameter.name for parameter in parameter_table(model) if len(parameter.shape) > 1]
    if not any(fnmatchcase(name, glob) for name in weights for glob in quant["scope"]):
        findings.add("quantisation-without-scope", ("compatibility", "quant_aware_training", "scope"))


def _target(model: Model, findings: Findings) -> None:
    if model.target_params is None:
        return
    total = count(model).total
    share = total / model.target_params
    if abs(share - 1) > TARGET_TOLERANCE:
        findings.add(
            "params-off-target", ("model", "target_params"),
            total=f"{total:,}", target=f"{model.target_params:,}", share=f"{100 * share:.0f}%", plain=total,
        )  # fmt: skip
