"""The specs that language.md promises, as they stand there."""

from eulerstack import i18n
from eulerstack.diagnostics import Severity
from tests.schema.root import EVERYTHING, TEN_LINES, checked

ADDITIONS = """\
training_hints:
  scaling: { parametrization: mup, base_width: 256 }
  differentiation_objectives: { usage_probe_coef: 0.01 }
tissue:
  columns:
    - { name: global_integration, templates: [decoder], role: global_binding }
  connectivity: ring
"""


def test_ten_lines_validate_with_one_warning():
    result = checked(TEN_LINES)
    assert [d.code for d in result.diagnostics] == ["vocabulary-too-small"]
    assert result.diagnostics[0].severity is Severity.WARNING
    assert result.spec is not None
    assert result.spec.layer_schedule[0].repeat == 24


def test_the_additions_say_only_what_has_no_object():
    result = checked(TEN_LINES + ADDITIONS)
    assert [(d.severity, d.code) for d in result.diagnostics] == [
        (Severity.WARNING, "vocabulary-too-small"),
        (Severity.INFO, "objective-without-object"),
        (Severity.INFO, "one-column"),
    ]
    assert result.spec is not None


def test_the_example_error_to_the_letter():
    text = TEN_LINES.replace(
        "ffn: { type: gated_mlp, activation: swiglu }", "ffn: { activaton: swiglu, type: gated_mlp }"
    )
    (error,) = (d for d in checked(text).diagnostics if d.severity is Severity.ERROR)
    with i18n.speaking("en"):
        assert str(error) == (
            "ValidationError: model.yml:8:12 layer_templates.decoder.ffn.activaton is not a key of ffn\n"
            "Fix: did you mean 'activation'? Keys of ffn: activation, bias, d_ff, moe, type\n"
            "See: eulerstack schema ffn"
        )
    with i18n.speaking("ko"):
        assert str(error).splitlines()[2] == "See: eulerstack schema ffn"
        assert "ffn의 키: activation, bias, d_ff, moe, type" in str(error)


def test_a_spec_that_uses_everything_has_no_finding():
    result = checked(EVERYTHING)
    assert [str(d) for d in result.diagnostics] == []
    assert result.spec is not None


def test_sections_hold_what_was_written():
    spec = checked(EVERYTHING).spec
    assert spec is not None
    assert spec.model.target_params == 1_100_000_000
    assert spec.head.mtp is not None
    assert spec.head.mtp.head_template == "attn"
    assert list(spec.layer_templates) == ["attn", "ssm", "both", "narrow", "wide"]
    assert spec.layer_schedule[0].override.model_dump(by_alias=True, exclude_unset=True) == {
        "residual.scaling": 0.7,
        "attention.window": 32,
    }
    assert [mode.name for mode in spec.execution_modes or []] == ["think", "answer"]
    assert str(spec.span(("layer_templates", "ssm", "mixer", "type"))) == "model.yml:36:20"
