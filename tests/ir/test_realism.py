"""Realism rules that need the model's cost."""

import pytest

from eulerstack.diagnostics import Source
from eulerstack.dsl import resolve
from eulerstack.ir import count
from eulerstack.ir.realism import realism
from eulerstack.schema import check
from tests.ir.specs import LLAMA, llama_text, model_of

QUANTISED = "{quant_aware_training: {enabled: true, dtype: int8, scope: ['%s']}}"
OFF = ["params-off-target"]


@pytest.mark.parametrize(("share", "codes"), [(1.0, []), (0.8, []), (1.25, []), (0.5, OFF), (2, OFF)])
def test_a_target_is_compared_with_the_exact_count(share, codes):
    target = round(count(model_of(LLAMA)).total * share)
    text = LLAMA.replace("model: {", f"model: {{ target_params: {target}, ", 1)
    assert text != LLAMA
    spec = check(resolve(Source("spec.yml", text))).spec
    assert spec is not None
    findings = realism(spec, model_of(text))
    assert [finding.code for finding in findings] == codes
    assert all(str(finding.span).startswith("spec.yml:2:") for finding in findings)


@pytest.mark.parametrize(("scope", "matches"), [("*.ffn.*", True), ("*.attn.*", False), ("*.mixer_norm.weight", False)])
def test_a_scope_that_matches_no_weight_is_told(scope, matches):
    text = llama_text(compatibility=QUANTISED % scope)
    spec = check(resolve(Source("spec.yml", text))).spec
    assert spec is not None
    codes = [finding.code for finding in realism(spec, model_of(text))]
    assert codes == ([] if matches else ["quantisation-without-scope"])
