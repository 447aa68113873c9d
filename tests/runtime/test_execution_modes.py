"""Phases: what training weighs and hides, what generation keeps, against plain loops over tokens."""

import math

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from eulerstack.compiler import compile_model
from eulerstack.runtime.execution_modes import Phases
from tests.runtime.models.building import build, gap, to_ir, tokens
from tests.runtime.models.layers import attention, layer, mamba
from tests.runtime.models.sections import TWO, VOCABULARY, phases, spec
from tests.runtime.models.specs import SPECS

STOP = 5
"""The transition token's id in these tests."""
EOS = 7
BUDGETS = (6, 4, 5)
MODES = (
    {"max_tokens": 6, "loss_weight": 0.25, "visible_to_user": False},
    {"max_tokens": 4, "loss_weight": 2.0, "kv_share": True},
    {"max_tokens": 5},
)


def model_of(token: bool, templates: dict | None = None, modes=MODES, **sections):
    """A model with three phases, told by token or by budgets."""
    told = phases(*modes, token="<stop>" if token else None)
    model = build(spec(templates or {"a": layer(), "b": layer(attention(window=7))}, **told, **sections))
    if token:
        model.config.transition_token_id = STOP
    return model


def naive_phases(ids: list[int], token: bool, prompt: int) -> list[int]:
    """Token by token."""
    phase, used, found = 0, 0, []
    for index, token_id in enumerate(ids):
        if index < prompt:
            found.append(-1)
            continue
        if not token and phase < 2 and used == BUDGETS[phase]:
            phase, used = phase + 1, 0
        found.append(phase)
        used += 1
        if token and token_id == STOP and phase < 2:
            phase += 1
    return found


def sequence(length: int = 24) -> torch.Tensor:
    """[1, T] with transition tokens after the 3rd and the 11th token, and one more in the last phase."""
    ids = tokens(batch=1, length=length, seed=4)
    ids[ids == STOP] = STOP + 1
    ids[:, [3, 11, 15]] = STOP
    return ids


@pytest.mark.parametrize("token", [True, False])
@pytest.mark.parametrize("prompt", [0, 5])
def test_phases_by_hand(token, prompt):
    found = Phases(model_of(token).config).of_generated(sequence(), prompt)
    assert found[0].tolist() == naive_phases(sequence()[0].tolist(), token, prompt)


@pytest.mark.parametrize("token", [True, False])
@torch.no_grad()
def test_labels_are_weighted_by_phase_in_training_only(token):
    model, ids = model_of(token), sequence()
    labels = ids.clone()
    labels[:, :3] = -100
    of = naive_phases(ids[0].tolist(), token, 3)
    model.train()
    log_p = model(ids, phase_ids=torch.tensor([of])).logits[0].log_softmax(-1)
    weight = (0.25, 2.0, 1.0)
    losses = [-log_p[i, ids[0, i + 1]] for i in range(2, 23)]
    weighted = sum(weight[of[i + 1]] * loss for i, loss in enumerate(losses, start=2))
    assert model(ids, labels=labels).loss.item() == pytest.approx(weighted.item() / 21, rel=1e-5)
    parts = model(ids, labels=labels, num_items_in_batch=63).loss.item()
    assert parts == pytest.approx(weighted.item() / 63, rel=1e-5)
    model.eval()
    assert model(ids, labels=labels).loss.item() == pytest.approx(sum(losses).item() / 21, rel=1e-5)


@torch.no_grad()
def test_packed_sequences_have_phases_of_their_own():
    for templates, sections in ((None, {}), ({"a": layer(mamba())}, {})):
        modes = [{**mode, "kv_share": True} for mode in MODES]
        model = model_of(True, templates, modes, **sections).train()
        rows = [sequence(24), sequence(17)]
        for ids in rows:
            ids[:, 0] = 1
        labels = [ids.clone() for ids in rows]
        labels[0][:, :4], labels[1][:, :2] = -100, -100
        counts = [(row[:, 1:] != -100).sum().item() for row in labels]
        losses = [model(ids, labels=row).loss.item() for ids, row in zip(rows, labels, strict=True)]
        positions = torch.cat([torch.arange(24), torch.arange(17)])[None]
        packed = model(torch.cat(rows, 1), labels=torch.cat(labels, 1), position_ids=positions).loss.item()
        expected = sum(n * loss for n, loss in zip(counts, losses, strict=True)) / sum(counts)
        assert packed == pytest.approx(expected, rel=1e-5)


def naive_hidden(model, ids: torch.Tensor, of: list[int]) -> torch.Tensor:
    """Logits [T, V] of a one-layer model of full attention, where each query sees just what its phase may see."""
    trunk = model.model
    block = trunk.layers[0]
    x = trunk.embed_tokens(ids[0])
    normed = block.mixer_norm(x)
    q, k, v = (p(normed).unflatten(-1, (4, 8)) for p in (block.mixer.q_proj, block.mixer.k_proj, block.mixer.v_proj))
    shares = [mode["kv_share"] for mode in trunk.phases.modes]
    rows = []
    for i in range(len(of)):
        seen = [j for j in range(i + 1) if of[j] == -1 or of[j] == of[i] or (of[i] >= 0 and shares[of[i]])]
        heads = [
            torch.softmax(torch.stack([q[i, h] @ k[j, h] / math.sqrt(8) for j in seen]), 0) @ v[seen, h]
            for h in range(4)
        ]
        rows.append(torch.cat(heads))
    x = x + block.mixer.o_proj(torch.stack(rows))
    x = x + block.ffn(block.ffn_norm(x))[0]
    return model.lm_head(trunk.norm(x))


@pytest.mark.parametrize("token", [True, False])
@torch.no_grad()
def test_later_phases_do_not_see_hidden_keys(token):
    told = phases(*MODES, token="<stop>" if token else None)
    model = build(spec({"a": layer()}, [{"template": "a"}], embedding={"positional": "none"}, **told))
    model.config.transition_token_id = STOP
    ids = sequence()
    for prompt in (0, 5):
        of = naive_phases(ids[0].tolist(), token, prompt)
        expected = naive_hidden(model, ids, of)
        told_ids = {"phase_ids": torch.tensor([of])} if prompt else {}
        assert gap(model(ids, use_cache=False, **told_ids).logits[0], expected) < 1e-5
        labels = ids.clone()
        labels[:, :prompt] = -100
        assert gap(model.train()(ids, labels=labels).logits[0], expected) < 1e-5
        model.eval()
        cache, parts = None, []
        for start, end in ((0, 5), (5, 6), (6, 13), (13, 24)):
            told_ids = {"phase_ids": torch.tensor([of[start:end]])} if prompt else {}
            out = model(ids[:, start:end], past_key_values=cache, use_cache=True, **told_ids)
            cache = out.past_key_values
            parts.append(out.logits[0])
        assert gap(torch.cat(parts), expected) < 1e-5


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("sample", [False, True])
@pytest.mark.parametrize("token", [True, False])
@torch.no_grad()
def test_generation_keeps_budgets_and_makes_transitions(token, sample, beams):
    model, ids = model_of(token), tokens(length=5)
    torch.manual_seed(0)
    options = {"do_sample": sample, "num_beams": beams, "pad_token_id": 0, "eos_token_id": EOS, "temperature": 3.0}
    if not sample:
        del options["temperature"]
    out = model.generate(ids, **options)
    for row in out[:, 5:].tolist():
        of = naive_phases(row, token, 0)
        counts = [of.count(phase) for phase in range(3)]
        assert counts[0] <= 6
        assert counts[1] <= 4
        last = row[counts[0] + counts[1] :]
        assert last
        end = last.index(EOS) + 1 if EOS in last else len(last)
        assert all(item == 0 for item in last[max(end, 5) :])
        assert len(last[:end]) <= 5 or all(item == 0 for item in last[5:])
        assert EOS not in row[: counts[0] + counts[1]]
        if token:
            assert row[counts[0] - 1] == STOP
            assert row[counts[0] + counts[1] - 1] == STOP
        else:
            assert counts[:2] == [6, 4]


@pytest.mark.parametrize("name", ["windows", "streams_cross_attn", "mod", "mtp", "retnet_hybrid"])
@torch.no_grad()
def test_generation_with_a_cache_is_generation_without(name):
    """Hidden keys included, over mixers of all kinds; a wide last budget lets the longest phase run."""
    plain = {**SPECS[name], **phases({"max_tokens": 5}, {"max_tokens": 6}, {"max_tokens": 5})}
    model, ids = build(plain), tokens(length=6)
    found = [model.generate(ids, do_sample=False, pad_token_id=0, use_cache=cached) for cached in (True, False)]
    assert torch.equal(*found)
    assert found[0].shape == (2, 6 + 16)


@torch.no_grad()
def test_a_prompt_of_embeddings_and_a_cache_that_goes_on():
    model, ids = model_of(False), tokens(length=6)
    expected = model.generate(ids, do_sample=False, pad_token_id=0)
    from_embeds = model.generate(inputs_embeds=model.get_input_embeddings()(ids), do_sample=False, pad_token_id=0)
    assert torch.equal(from_embeds, expected[:, 6:])
    first = model.generate(ids, do_sample=False, pad_token_id=0, return_dict_in_generate=True)
    longer = torch.cat([first.sequences, tokens(length=3, seed=8)], dim=1)
    again = model.generate(longer, past_key_values=first.past_key_values, do_sample=False, pad_token_id=0)
    # What the cache holds was made while phases were hidden; from here on all of it is the prompt.
    fresh = model.model.build_cache()
    of = model.model.phases.of_generated(first.sequences, 6)
    model(first.sequences[:, :-1], phase_ids=of[:, :-1], past_key_values=fresh, use_cache=True)
    fresh.layers[-1].begin_turn()
    rest = longer[:, first.sequences.shape[1] - 1 :]
    step = model(rest, phase_ids=torch.full_like(rest, -1), past_key_values=fresh, use_cache=True)
    assert torch.equal(again[:, longer.shape[1]], step.logits[:, -1].argmax(-1))


@torch.no_grad()
def test_only_visible_phases_are_decoded(tmp_path):
    plain = spec(
        {"a": layer()},
        model={"vocab_size": 300},
        tokenizer_contract={"type": "byte"},
        **phases({"max_tokens": 8, "visible_to_user": False}, {"max_tokens": 12}, token="</think>"),
    )
    plain["tokenizer_contract"].pop("pretrained")
    compile_model(to_ir(plain), tmp_path / "m")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "m", trust_remote_code=True)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "m")
    stop = tokenizer.convert_tokens_to_ids("</think>")
    assert model.config.transition_token_id == stop == 259
    prompt = tokenizer("why? ", return_tensors="pt").input_ids
    said = tokenizer("hmm</think>because", add_special_tokens=False, return_tensors="pt").input_ids
    both = torch.cat([torch.cat([prompt, said], 1), torch.cat([prompt, said.roll(7, 1)], 1)])
    texts = model.decode_visible(tokenizer, both, prompt.shape[1])
    assert texts[0] == "because"
    assert texts[1] == tokenizer.decode(both[1, both[1].tolist().index(stop) + 1 :])
    out = model.generate(prompt, do_sample=False)
    made = out[0, prompt.shape[1] :].tolist()
    assert made.index(stop) == 7
    assert len(made) <= 20
    assert model.visible_tokens(out, prompt.shape[1])[0].tolist() == made[8:]


def test_an_unknown_transition_token_is_told():
    model = build(spec(TWO, **phases(*MODES, token="<stop>")))
    with pytest.raises(ValueError, match="transition_token_id"):
        model(tokens(), labels=tokens())
    with pytest.raises(ValueError, match="transition_token_id"):
        model.generate(tokens(), do_sample=False)
    model.config.transition_token_id = STOP
    embeds = model.get_input_embeddings()(tokens())
    with pytest.raises(ValueError, match="phase_ids"):
        model(inputs_embeds=embeds)
    assert model(inputs_embeds=embeds, phase_ids=torch.zeros(2, 41, dtype=torch.long)).logits.isfinite().all()
    assert VOCABULARY > STOP
