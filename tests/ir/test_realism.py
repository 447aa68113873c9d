"""Realism rules that need the model's cost."""

import pytest

from eulerstack.diagnostics import Source
from eulerstack.dsl import resolve
from eulerstack.ir import count
from eulerstack.ir.realism import realism
from eulerstack.schema import check
from tests.ir.specs import LLAMA, model_of

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
