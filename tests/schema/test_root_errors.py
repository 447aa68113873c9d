"""Broken specs: each fault has its code and its place, and no fault hides another."""

import pytest

from eulerstack.diagnostics import Severity
from tests.schema.root import EVERYTHING, TEN_LINES, changed, checked, codes, found, marked

ATTENTION = "mixer: { type: attention, attention: {} }"
FFN = "ffn: { type: gated_mlp, activation: swiglu }"
ENTRY = "- { template: decoder, repeat: 24 }"
HEAD = "head: { type: causal_lm }"
EMBEDDING = "{ type: learned, positional: rope }"

# What stands in the ten lines, what is written in its place with » before the place of the error, the error.
STRUCTURE = [
    ("schema_version: 1", "schema_version: »2", "unsupported-schema-version"),
    ("schema_version: 1", 'schema_version: »"1"', "unsupported-schema-version"),
    ("schema_version: 1", "schema_version: »1.0", "unsupported-schema-version"),
    ("schema_version: 1", "schema_version: »true", "unsupported-schema-version"),
    ("schema_version: 1\n", "»", "missing-key"),
    (HEAD, "head: »null", "not-mapping"),
    (HEAD, f"{HEAD}\n»head_: 1", "unknown-key"),
    ("n_heads: 16", "n_heads: 16, »n_head: 16", "unknown-key"),
    ("n_heads: 16", "»n_head: 16", "unknown-key"),
    ("d_model: 2048", "»hidden_size: 2048", "unknown-key"),
    ("d_model: 2048", 'd_model: »"2048"', "not-integer"),
    ("d_model: 2048", "d_model: »64.7", "not-integer"),
    ("d_model: 2048", "d_model: »true", "not-integer"),
    ("d_model: 2048", "d_model: »[2048]", "not-integer"),
    ("d_model: 2048", "d_model: »null", "not-integer"),
    ("d_model: 2048", "d_model: »0", "out-of-range"),
    ("d_model: 2048", "d_model: »-2048", "out-of-range"),
    ("d_model: 2048", "d_model: »9999999999", "out-of-range"),
    ('name: "my-llm"', "name: »7", "not-string"),
    ('name: "my-llm"', 'name: »""', "empty-string"),
    ("n_heads: 16", "n_heads: 16, mlp_ratio: »big", "not-number"),
    ("n_heads: 16", "n_heads: 16, mlp_ratio: »0", "out-of-range"),
    ("n_heads: 16", "n_heads: 16, dtype: »bf16", "not-one-of"),
    ("n_heads: 16", "n_heads: 16, target_params: »1.1X", "not-integer"),
    ("type: hf", "type: »hff", "not-one-of"),
    (ATTENTION, "mixer: »attention", "not-mapping"),
    (ATTENTION, "»mixer: { attention: {} }", "missing-key"),
    (ATTENTION, "mixer: { type: attention, attention: { »windw: 3 } }", "unknown-key"),
    (ATTENTION, f"{ATTENTION}\n    »normm: {{}}", "unknown-key"),
    (ENTRY, "- { »templat: decoder }", "unknown-key"),
    (ENTRY, "- »decoder", "not-mapping"),
    (ENTRY, "- { template: decoder, repeat: »0 }", "out-of-range"),
    (ENTRY, "- »{ template: decoder, group: [] }", "schedule-entry-kind"),
    (ENTRY, "- { group: »[] }\n  - { template: decoder }", "wrong-length"),
    (ENTRY, "- { parallel: »[{ stream: a, body: [{ template: decoder }] }] }", "wrong-length"),
    (ENTRY, "- { integrator: { type: discrete, steps: 2, body: »3 } }\n  - { template: decoder }", "not-name-or-list"),
    (
        ENTRY,
        "- { template: decoder, override: { ffn: { activation: relu }, »ffn.activation: gelu } }",
        "overridden-twice",
    ),
    (ENTRY, "- { template: decoder, override: { »mixer.type: mamba } }", "unknown-key"),
    (HEAD, f"{HEAD}\ntraining_hints: {{ betas: »[0.9] }}", "wrong-length"),
    (HEAD, f"{HEAD}\ntraining_hints: {{ betas: [0.9, »1.5] }}", "out-of-range"),
    (HEAD, f"{HEAD}\ntraining_hints: {{ checkpointing: »1 }}", "not-boolean"),
    (HEAD, f"{HEAD}\ntraining_hints: {{ dropout: »-0.1 }}", "out-of-range"),
    (HEAD, f"{HEAD}\nexecution_modes: »[]", "wrong-length"),
    (HEAD, f"{HEAD}\nexecution_modes: »{{}}", "not-list"),
    (HEAD, f"{HEAD}\nexecution_modes: [»{{ name: a }}]", "missing-key"),
    ("positional: rope", "positional: rope, rope_scaling: { type: linear, factor: »0 }", "out-of-range"),
    ('model: { name: "my-llm", d_model: 2048, ', '»model: { name: "my-llm", ', "missing-key"),
]

COMPATIBILITY = [
    ("n_heads: 16", "n_heads: »17", "heads-not-whole"),
    ("n_heads: 16", "n_heads: 16, n_kv_heads: »5", "kv-heads-not-whole"),
    ("n_heads: 16", "n_heads: 16, head_dim: »65", "rope-head-dim-odd"),
    ("{ type: hf, pretrained: gpt2 }", "{ type: »hf }", "pretrained-missing"),
    ("{ type: hf, pretrained: gpt2 }", "{ type: byte, »pretrained: gpt2 }", "byte-with-pretrained"),
    (EMBEDDING, "{ type: learned, positional: alibi, »rope_theta: 1.0e4 }", "rope-key-without-rope"),
    (EMBEDDING, "{ type: learned, positional: none, »rope_scaling: { factor: 2 } }", "rope-key-without-rope"),
    (
        EMBEDDING,
        "{ type: learned, positional: rope, rope_scaling: { type: linear, »beta_fast: 3 } }",
        "rope-scaling-other-type",
    ),
    (
        EMBEDDING,
        "{ type: learned, positional: rope, rope_scaling: { type: llama3, low_freq_factor: »4, high_freq_factor: 4 } }",
        "rope-scaling-order",
    ),
    (
        EMBEDDING,
        "{ type: learned, positional: rope, rope_scaling: { type: »longrope, long_factor: [" + "1.0, " * 64 + "] } }",
        "rope-scaling-needs",
    ),
    (FFN, f"{FFN}\n    residual: {{ type: »hyper_connection }}", "hyper-missing"),
    (FFN, f"{FFN}\n    residual: {{ type: sequential, »hyper: {{ expand: 4 }} }}", "hyper-forbidden"),
    (FFN, "ffn: { type: none }\n    residual: { type: »parallel }", "parallel-without-ffn"),
    (FFN, "ffn: { type: mlp }\n    »ffn_factors: { gate: 0.5 }", "factors-without-gate"),
    (FFN, f"{FFN}\n    state: {{ ssm_state: »true }}", "state-mismatch"),
    (FFN, f"{FFN}\n    state: {{ kv_cache: »false }}", "state-mismatch"),
    (ATTENTION, "mixer: { type: mamba, attention: »{} }", "mixer-of-other-type"),
    (ENTRY, f"{ENTRY}\n  - {{ template: »decodr }}", "unknown-template"),
    (ENTRY, f"{ENTRY}\n  - {{ integrator: {{ type: discrete, steps: 2, body: »dec }} }}", "unknown-template"),
    (HEAD, "head: { type: »causal_lm_mtp }", "mtp-missing"),
    (HEAD, "head: { type: causal_lm, »mtp: { head_template: decoder } }", "mtp-forbidden"),
    (HEAD, "head: { type: causal_lm_mtp, mtp: { head_template: »other } }", "unknown-template"),
    (HEAD, f"{HEAD}\ntraining_hints: {{ scaling: {{ parametrization: »mup }} }}", "mup-needs-base-width"),
    (HEAD, f"{HEAD}\ntissue: {{ columns: [{{ name: a, templates: [»x] }}] }}", "unknown-template"),
    (HEAD, f"{HEAD}\nexecution_modes: [{{ name: a, max_tokens: 9 }}, {{ name: »a, max_tokens: 9 }}]", "duplicate-name"),
    (
        HEAD,
        f"{HEAD}\nexecution_modes: [{{ name: a, max_tokens: 9 }}]\ntransition: {{ type: »special_token }}",
        "transition-needs-token",
    ),
]


@pytest.mark.parametrize(("before", "after", "code"), STRUCTURE + COMPATIBILITY)
def test_one_fault_is_one_error_at_its_place(before, after, code):
    text, line, column = marked(changed(before, after))
    errors = [d for d in checked(text).diagnostics if d.severity is Severity.ERROR]
    assert [(d.code, d.span.line, d.span.column) for d in errors if d.span] == [(code, line, column)]
    assert checked(text).spec is None


def test_an_upper_bound_is_named_to_who_exceeds_it():
    for number, bounds in ((0, "≥ 1"), (10**20, "≤ 2147483647")):
        told = checked(changed("repeat: 24", f"repeat: {number}")).diagnostics
        assert [d.params["bounds"] for d in told if d.code == "out-of-range"] == [bounds]


def test_longrope_has_a_factor_for_each_pair():
    text = changed(
        EMBEDDING,
        "{ type: learned, positional: rope, rope_scaling: { type: longrope, short_factor: [1], long_factor: [1] } }",
    )
    assert [code for code in codes(text) if code == "longrope-length"] == ["longrope-length"] * 2


def test_a_missing_section_is_missed_at_the_root():
    assert found(changed(HEAD, ""))[0] == ("missing-key", 1, 1)


STREAMS = [
    ("from: left, to: right", "from: left", "merge-end-missing"),
    ("from: left, to: right", "from: left, to: left", "merge-ends-equal"),
    ("from: left, to: right", "from: left, to: rigt", "unknown-stream"),
    ("cross_attn, projection", "add, projection", "merge-end-unused"),
    ("stream: right", "stream: left", "duplicate-name"),
    ("merge: {", "merge: { #\n", None),
]


@pytest.mark.parametrize(("before", "after", "code"), STREAMS)
def test_streams(before, after, code):
    assert (code in codes(changed(before, after, EVERYTHING))) is (code is not None)


def test_an_override_needs_an_object():
    text = changed(
        "- { template: ssm, depth_gating",
        "- { template: ssm, override: { attention.window: 3 }, depth_gating",
        EVERYTHING,
    )
    assert codes(text) == ["override-without-object"]
    text = changed(
        "{ template: both, share: tied }", "{ template: both, override: { ffn.activation: relu } }", EVERYTHING
    )
    assert codes(text) == ["override-without-object"]


def test_a_template_belongs_to_one_column():
    assert codes(changed("templates: [ssm, both]", "templates: [ssm, attn]", EVERYTHING)) == ["template-in-two-columns"]


def test_hidden_keys_need_mixers_that_keep_keys():
    assert codes(changed("kv_share: true", "kv_share: false", EVERYTHING)) == ["kv-share-recurrent"]


@pytest.mark.parametrize(("keys", "refused"), [("window: 4", False), ("compression: { type: hca, m_block: 8 }", True)])
def test_compressed_keys_cannot_be_hidden(keys, refused):
    text = changed("attention: {}", f"attention: {{ {keys} }}")
    modes = "execution_modes: [{ name: a, max_tokens: 4 }, { name: b, max_tokens: 4, kv_share: false }]"
    assert ("kv-share-recurrent" in codes(f"{text}\n{modes}\ntransition: {{ type: budget_exhausted }}")) is refused


def test_a_byte_vocabulary_holds_the_transition_token():
    def too_small(size: int, token: str) -> bool:
        text = changed("vocab_size: 32000", f"vocab_size: {size}")
        text = changed("type: hf, pretrained: gpt2", "type: byte", text)
        text += "\nexecution_modes: [{ name: a, max_tokens: 4 }]"
        return "vocabulary-too-small" in codes(f"{text}\ntransition: {{ type: special_token, token: {token} }}")

    assert too_small(259, "</think>")
    assert not too_small(260, "</think>")
    assert not too_small(259, "<eos>")


def test_every_fault_of_a_spec_in_one_run_in_the_order_of_the_text():
    text = """\
    schema_version: 1
    model: { name: m, d_model: "64", vocab_size: 0, max_seq_len: 64, n_heads: 4, foo: 1 }
    tokenizer_contract: { type: byte }
    embedding: { type: learned, positional: none, rope_theta: 1.0e4 }
    layer_templates:
      a:
        mixer: { type: atention }
        ffn: { type: moe, moe: { experts: 4, top_k: 8, rooter: softmax } }
        state: { kv_cache: 1 }
      b:
        mixer: { type: mamba, attention: {} }
        ffn: { type: mlp, bias: "no" }
        residual: { hyper: { expand: 2 } }
    layer_schedule:
      - { template: c }
      - { template: a, repeat: -1 }
      - { group: [{ template: a, depth_gating: { capacity: 2 } }, { template: d }], repeat: x }
    head: { type: causal_lm, mtp: {} }
    """
    assert found(text) == [
        ("not-integer", 2, 28),
        ("out-of-range", 2, 46),
        ("unknown-key", 2, 78),
        ("rope-key-without-rope", 4, 47),
        ("not-one-of", 7, 20),
        ("top-k-above-experts", 8, 49),
        ("unknown-key", 8, 52),
        ("not-boolean", 9, 24),
        ("unused-template", 10, 3),
        ("mixer-of-other-type", 11, 38),
        ("not-boolean", 12, 29),
        ("hyper-forbidden", 13, 17),
        ("unknown-template", 15, 17),
        ("out-of-range", 16, 28),
        ("out-of-range", 17, 56),
        ("unknown-template", 17, 75),
        ("not-integer", 17, 89),
        ("missing-key", 18, 26),
        ("mtp-forbidden", 18, 26),
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (FFN, 'ffn: { type: moe, moe: { experts: "8", top_k: 2 } }'),
        (FFN, f"{FFN}\n    residual: {{ type: hyper, hyper: {{ expand: 4 }} }}"),
        (ATTENTION, "mixer: { type: attention, attention: { window: wide, window_mode: dilated } }"),
        (ATTENTION, "mixer: { type: branched, branched: { branches: { a: { type: attn }, b: { type: mamba } } } }"),
        ("n_heads: 16", 'n_heads: 5, head_dim: "64"'),
        (EMBEDDING, "{ type: learned, positional: rope, rope_scaling: { type: yarnn, beta_fast: 32 } }"),
        (HEAD, "head: { type: causal_lm_mtp, mtp: { head_template: 3 } }"),
        (HEAD, f"{HEAD}\ntraining_hints: {{ optimizer: moun, muon: {{ ns_iters: 3 }} }}"),
        (HEAD, f'{HEAD}\ntraining_hints: {{ scaling: {{ parametrization: mup, base_width: "256" }} }}'),
        (HEAD, f"{HEAD}\nexecution_modes: [{{ name: a, max_tokens: 9 }}]\ntransition: {{ token: 3 }}"),
        (HEAD, f"{HEAD}\ntissue: {{ columns: [{{ name: 1, templates: [decoder] }}], connectivity: rong }}"),
    ],
)
def test_a_faulty_value_is_not_also_a_missing_one(before, after):
    errors = {d.code for d in checked(changed(before, after)).diagnostics if d.severity is Severity.ERROR}
    assert errors
    assert errors <= {"not-integer", "not-one-of", "not-string"}


def test_a_null_at_an_optional_key_is_the_same_as_leaving_it_out():
    text = changed(HEAD, f"{HEAD}\ntraining_hints: {{ dropout: null, muon: null }}\ntissue: null\nabout:")
    assert codes(changed(FFN, f"{FFN}\n    norm: null", text)) == ["vocabulary-too-small"]


def test_what_the_front_complained_about_is_not_told_again():
    from eulerstack.diagnostics import Source
    from eulerstack.dsl import examine
    from eulerstack.schema import check

    document, before = examine(Source("model.yml", changed("d_model: 2048", 'd_model: "${ let.missing }"')))
    assert document is not None
    assert [d.code for d in before] == ["expression-unknown-name"]
    result = check(document)
    assert result.spec is None
    assert not [d for d in result.diagnostics if d.severity is Severity.ERROR]


def test_reserved_keys_are_kept_and_told():
    text = changed(FFN, f"{FFN}\n    vendor.acme.knob: 3") + "experimental: { x: [1] }\nfuture.y: 2\n"
    result = checked(text)
    assert [d.code for d in result.diagnostics] == ["vocabulary-too-small", *["reserved-key"] * 3]
    assert result.spec is not None
    assert result.spec.reserved == {
        "layer_templates.decoder.vendor.acme.knob": 3,
        "experimental": {"x": [1]},
        "future.y": 2,
    }


def test_an_authors_own_names_are_never_reserved():
    text = TEN_LINES.replace("  decoder:", "  vendor.mine:").replace("template: decoder", "template: vendor.mine")
    assert codes(text) == ["vocabulary-too-small"]


UNMIXED = "{ expand: 2, mixing: unconstrained, sinkhorn_iters: 9 }"

WARNINGS = [
    ("positional: rope }", "positional: rope, tie_word_embeddings: true }", "ties-differ"),
    ("n_heads: 16", "n_heads: 128", "head-dim-unusual"),
    ("max_seq_len: 4096", "max_seq_len: 262144", "sequence-long-for-width"),
    ("n_heads: 16", "n_heads: 16, family_hint: mamba", "family-differs"),
    ("positional: rope }", "positional: rope, rope_scaling: { factor: 64 } }", "rope-factor-large"),
    (FFN, "ffn: { type: moe, moe: { experts: 2000, top_k: 2 } }", "experts-many"),
    (FFN, "ffn: { type: moe, moe: { experts: 5000, top_k: 2 } }", "experts-too-many"),
    (FFN, "ffn: { type: moe, moe: { experts: 8, top_k: 2, capacity_factor: 0.2 } }", "capacity-factor-small"),
    (FFN, "ffn: { type: moe, moe: { experts: 8, top_k: 2, affinity: sqrt_softplus } }", "sqrt-softplus-uncorrected"),
    (
        FFN,
        "ffn: { type: moe, moe: { experts: 8, top_k: 2, affinity: sqrt_softplus, "
        "routing: { type: hash, hash_salt: 1 } } }",
        "hash-routing-late",
    ),
    (FFN, "ffn: { type: moe, moe: { experts: 8, top_k: 2 } }", "deep-without-care"),
    (FFN, f"{FFN}\n    memory: {{ type: retrieval, params: {{ hidden: 20000 }} }}", "memory-large"),
    (FFN, f"{FFN}\n    memory: {{ type: associative, inner_lr: 2.0 }}", "inner-lr-unusual"),
    (FFN, f"{FFN}\n    memory: {{ type: retrieval, inner_lr: 2.0 }}", "memory-rate-unused"),
    (FFN, f"{FFN}\n    shape_change: {{ d_out: 4096 }}", "shape-widens"),
    ("attention: {} }", "attention: { latent_dim: 64 } }", "latent-unusual"),
    ("repeat: 24 }", "repeat: 24, depth_gating: { capacity: 0.05 } }", "depth-capacity-small"),
    ("repeat: 24 }", "repeat: 24, depth_gating: { capacity: 1.0 } }", "depth-capacity-whole"),
    (ENTRY, f"{ENTRY}\n  - integrator: {{ type: ode_euler, steps: 33, body: decoder }}", "integrator-long"),
    (HEAD, f"{HEAD}\nexecution_modes: [{{ name: a, max_tokens: 5000 }}]", "phases-too-long"),
    (HEAD, f"{HEAD}\ntransition: {{ type: budget_exhausted }}", "transition-without-modes"),
    (HEAD, f"{HEAD}\ncompatibility: {{ quant_aware_training: {{ enabled: true }} }}", "quantisation-without-scope"),
    (HEAD, f"{HEAD}\ntraining_hints: {{ muon: {{ ns_iters: 5 }} }}", "optimizer-key-unused"),
    (HEAD, f"{HEAD}\ntraining_hints: {{ scaling: {{ base_width: 256 }} }}", "base-width-unused"),
    (HEAD, "head: { type: causal_lm, final_norm: { type: none, eps: 1e-3 } }", "key-without-effect"),
    (HEAD, "head: { type: causal_lm, final_norm: { affine: false, unit_offset: true } }", "key-without-effect"),
    (FFN, f"{FFN}\n    norm: {{ affine: false, unit_offset: true }}", "key-without-effect"),
    (FFN, f"{FFN}\n    residual: {{ type: hyper_connection, hyper: {UNMIXED} }}", "key-without-effect"),
    (FFN, "ffn: { type: moe, d_ff: 64, moe: { experts: 8, top_k: 2, d_expert: 32 } }", "key-without-effect"),
    (HEAD, f"{HEAD}\ntraining_hints: {{ router_aux_loss_coef: 0.5 }}", "key-unread"),
    (HEAD, f"{HEAD}\ntraining_hints: {{ router_lr_multiplier: 0.5 }}", "key-unread"),
    (ENTRY, f"{ENTRY}\n  - {{ template: decoder, share: x }}", None),
]


@pytest.mark.parametrize(("before", "after", "code"), WARNINGS)
def test_what_is_rarely_meant_is_told(before, after, code):
    text = changed(before, after)
    if code == "ties-differ":
        text = changed(HEAD, "head: { type: causal_lm, tie_weights: false }", text)
    others = [found for found in codes(text) if found != "vocabulary-too-small"]
    assert others == ([code] if code else []) or set(others) == {code, "deep-without-care"}


RETNET = changed("mixer: { type: attention, attention: {} }", "mixer: { type: retnet, retnet: {} }")
UNREAD = [
    ("n_heads: 16", "n_heads: 16, n_kv_heads: 4", "model.n_kv_heads"),
    ("n_heads: 16", "n_heads: 16, head_dim: 64", "model.head_dim"),
    ("positional: rope }", "positional: rope, rope_theta: 500.0 }", "embedding.rope_theta"),
    ("positional: rope }", "positional: rope, rope_scaling: { factor: 2 } }", "embedding.rope_scaling"),
]


@pytest.mark.parametrize(("before", "after", "path"), UNREAD)
def test_what_only_attention_reads_is_told_where_there_is_none(before, after, path):
    found = [found for found in checked(changed(before, after, RETNET)).diagnostics if found.code == "key-unread"]
    assert [diagnostic.params["path"] for diagnostic in found] == [path]
    assert "key-unread" not in codes(changed(before, after))


def test_a_choice_by_hash_cannot_be_balanced():
    hashed = "load_balance_coef: 0.1, routing: { type: hash, hash_salt: 1 }"
    text = changed(FFN, f"ffn: {{ type: moe, moe: {{ experts: 8, top_k: 2, {hashed} }} }}")
    assert "key-without-effect" in codes(text)


def test_mla_reads_no_number_of_key_heads():
    latent = changed("attention: {} }", "attention: { latent_dim: 256 } }")
    assert "key-unread" in codes(changed("n_heads: 16", "n_heads: 16, n_kv_heads: 4", latent))


def test_synonyms_lead_to_the_right_key():
    (first,) = (
        d
        for d in checked(changed("n_heads: 16", "n_heads: 16, num_hidden_layers: 3")).diagnostics
        if d.code == "unknown-key"
    )
    assert first.fix == "fix_elsewhere"
    assert first.params["nearest"] == "layer_schedule.repeat"


def test_longrope_counts_the_pairs_of_latent_attention():
    scaling = "{ type: longrope, short_factor: [1, 1], long_factor: [1, 1] }"
    text = changed(EMBEDDING, f"{{ type: learned, positional: rope, rope_scaling: {scaling} }}")
    latent = text.replace("attention: {}", "attention: { mla: { kv_rank: 8, rope_dim: PAIRS } }")
    assert latent != text
    assert "longrope-length" not in codes(latent.replace("PAIRS", "4"))
    assert "longrope-length" in codes(latent.replace("PAIRS", "8"))
