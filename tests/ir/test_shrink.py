"""Twins are small and valid, and keep what makes the architecture what it is."""

from pathlib import Path

import pytest
from hypothesis import given, settings

from eulerstack import dsl
from eulerstack.ir import Layer, count, lower, print_yaml
from eulerstack.ir.shrink import shrink
from eulerstack.schema import check
from tests.ir.specs import llama, model_of
from tests.strategies.specs import as_text, specs

PRESETS = Path(__file__).parents[2] / "presets"
LARGEST = 1_000_000


def preset(name: str):
    path = next(PRESETS.glob(f"*/{name}.yml"))
    document = dsl.resolve(dsl.read_file(path), lambda base, _: dsl.read_file(next(PRESETS.glob(f"*/{base}.yml"))))
    return lower(check(document).spec)


@settings(max_examples=40)
@given(specs())
def test_the_twin_of_any_spec_is_a_canonical_model(spec):
    model = model_of(as_text(spec))
    twin = shrink(model)
    assert model_of(print_yaml(twin)) == twin
    assert {block.mixer.type for block in twin.blocks} == {block.mixer.type for block in model.blocks}
    assert {type(node) for node in twin.schedule} == {type(node) for node in model.schedule}


@pytest.mark.parametrize("name", sorted(path.stem for path in PRESETS.glob("*/*.yml")))
def test_the_twin_of_every_preset_is_small(name):
    model = preset(name)
    twin = shrink(model)
    assert count(twin).total < LARGEST
    assert len(twin.schedule) >= min(2, len(model.schedule))


def test_the_pattern_of_blocks_is_kept():
    local = "{template: decoder, override: {attention.window: 64}, repeat: 3}"
    model = llama(layer_schedule=f"[{{group: [{{template: decoder}}, {local}], repeat: 9}}]")
    twin = shrink(model)
    assert [layer.block for layer in twin.schedule] == ["decoder", "decoder_2", "decoder_2", "decoder_2"]
    assert twin.block("decoder_2").mixer.window < twin.max_seq_len


def test_the_ratio_of_heads_is_kept():
    twin = shrink(llama(model="{name: m, d_model: 512, vocab_size: 300, max_seq_len: 128, n_heads: 32, n_kv_heads: 8}"))
    assert (twin.n_heads, twin.n_kv_heads) == (8, 2)


def test_experts_are_few_but_more_than_chosen():
    moe = "{type: moe, moe: {experts: 256, top_k: 6, n_groups: 8, balance: {group_limit: 4}, shared_experts: 1}}"
    twin = shrink(llama(layer_templates=f"{{decoder: {{mixer: {{type: attention}}, ffn: {moe}}}}}"))
    keys = twin.block("decoder").ffn
    assert (keys.experts, keys.top_k, keys.n_groups, keys.balance.group_limit, keys.shared_experts) == (8, 4, 2, 1, 1)


def test_the_embeddings_scale_follows_the_width():
    embedding = "{type: learned, positional: rope, scale: 22.627417}"
    twin = shrink(
        llama(model="{name: m, d_model: 512, vocab_size: 300, max_seq_len: 128, n_heads: 4}", embedding=embedding)
    )
    assert twin.embedding.scale == 8


def test_borrowed_keys_are_borrowed_from_the_same_layer():
    model = llama(
        layer_schedule="[{template: decoder, override: {attention.window: 64}, repeat: 20}, "
        "{template: decoder, repeat: 20}, {template: decoder, kv_from: -5, repeat: 5}]"
    )
    twin = shrink(model)
    kept = [layer for layer in twin.schedule if isinstance(layer, Layer)]
    borrower = next(index for index, layer in enumerate(kept) if layer.kv_from is not None)
    assert kept[borrower + kept[borrower].kv_from].block == "decoder_2"


def test_a_chain_of_predictions_stays_short():
    head = "{type: causal_lm_mtp, mtp: {n_predict: 5, head_layers: 3, head_template: decoder}}"
    mtp = shrink(llama(head=head)).head.mtp
    assert mtp is not None
    assert (mtp.n_predict, mtp.head_layers) == (2, 2)


def test_a_twin_has_a_byte_tokenizer_and_a_name_of_its_own():
    twin = shrink(shrink(llama()))
    assert twin.tokenizer["type"] == "byte"
    assert twin.name == "m-tiny"
    assert twin.vocab_size >= 259


def test_longrope_has_a_factor_for_each_pair_of_the_twin():
    factors = [1 + index / 8 for index in range(8)]
    latent = "{kv_rank: 32, rope_dim: 16, nope_dim: 16, v_dim: 16}"
    model = llama(
        embedding="{type: learned, positional: rope, rope_scaling: "
        f"{{type: longrope, short_factor: {factors}, long_factor: {factors}}}}}",
        layer_templates="{decoder: {mixer: {type: attention, attention: {}}, ffn: {type: mlp}}, "
        f"latent: {{mixer: {{type: attention, attention: {{mla: {latent}}}}}, ffn: {{type: mlp}}}}}}",
        layer_schedule="[{template: decoder}, {template: latent}]",
    )
    twin = shrink(model)
    plain, latent_block = (block.mixer for block in twin.blocks)
    assert plain.rope_dim == latent_block.mla.rope_dim == 2 * len(twin.embedding.rope_scaling["long_factor"])
