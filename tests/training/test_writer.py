"""What a model writes is what `generate` writes; what is told of each token is what the model computes."""

from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
import torch
from transformers import set_seed

from eulerstack import api
from eulerstack.diagnostics import EulerStackError
from eulerstack.ir.caches import cache_bytes
from eulerstack.training.writer import Sampling, Token, Writer

PROMPT = "def f"


@pytest.fixture(scope="module", params=["arch_advanced_jamba", "arch_expert_reasoning_r1"])
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def writer(name: str, tmp_path_factory: pytest.TempPathFactory) -> Writer:
    directory = tmp_path_factory.mktemp("writer") / "model"
    api.compile(name, twin=True, output_dir=directory)
    return Writer(directory)


@pytest.mark.parametrize("sampling", [Sampling(new_tokens=9, seed=3), Sampling(new_tokens=9, temperature=0.0)])
def test_it_is_what_generate_writes(writer: Writer, sampling: Sampling) -> None:
    ids = writer.prompt_ids(PROMPT)
    set_seed(sampling.seed)
    drawn = {"do_sample": True, "temperature": 0.7, "top_k": 40} if sampling.temperature else {"do_sample": False}
    expected = writer.model.generate(ids, max_new_tokens=9, **drawn)[0, ids.shape[1] :].tolist()
    told: list[Token] = []
    assert writer.write(PROMPT, sampling, report=told.append) == expected
    assert [token.id for token in told] == expected


@torch.no_grad()
def test_each_token_tells_what_the_model_holds_likely(writer: Writer) -> None:
    told: list[Token] = []
    tokens = writer.write(PROMPT, Sampling(new_tokens=6), report=told.append)
    prompt = writer.prompt_ids(PROMPT)[0].tolist()
    probabilities = writer.model(torch.tensor([prompt + tokens])).logits[0].softmax(-1)
    for place, token in enumerate(told, len(prompt) - 1):
        assert token.probability == pytest.approx(probabilities[place, token.id].item(), abs=1e-6)
        best = probabilities[place].topk(len(token.likely))
        assert [value for _, value in token.likely] == pytest.approx(best.values.tolist(), abs=1e-6)


def test_the_cache_weighs_what_the_spec_says(writer: Writer, name: str) -> None:
    told: list[Token] = []
    writer.write(PROMPT, Sampling(new_tokens=5), report=told.append)
    model = replace(api.load(api.shrink(name).source).model, dtype="float32")
    length = writer.prompt_ids(PROMPT).shape[1]
    assert [token.cache_bytes for token in told] == [sum(cache_bytes(model, length + place)) for place in range(5)]


def test_phases_are_told_where_there_are_some(writer: Writer, name: str) -> None:
    told: list[Token] = []
    budget = 45
    writer.write(PROMPT, Sampling(new_tokens=budget), report=told.append)
    phases = [token.phase for token in told]
    if name == "arch_advanced_jamba":
        assert not writer.phases
        assert set(phases) == {None}
    else:
        assert [name for name, _ in writer.phases] == ["think", "answer"]
        assert phases.count(0) <= writer.phases[0][1]
        assert phases == sorted(phases)
        assert set(phases) <= {0, 1}


def test_the_random_numbers_of_others_are_left_alone(writer: Writer) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    writer.write(PROMPT, Sampling(new_tokens=4))
    assert torch.equal(torch.rand(3), expected)


def test_it_stops_when_it_is_told_to(writer: Writer) -> None:
    stop, told = Event(), []

    def heard(token: Token) -> None:
        told.append(token)
        if len(told) == 3:
            stop.set()

    assert len(writer.write(PROMPT, Sampling(new_tokens=50), report=heard, stop=stop)) == 3
    assert len(told) == 3


def test_a_prompt_that_does_not_fit(writer: Writer) -> None:
    with pytest.raises(EulerStackError) as failure:
        writer.write("x" * writer.longest, Sampling())
    assert failure.value.diagnostics[0].code == "prompt-length"


def test_a_directory_without_a_tokenizer_or_a_model(tmp_path: Path) -> None:
    api.compile("arch_beginner_llama", twin=True, output_dir=tmp_path / "mute", tokenizer="skip")
    (tmp_path / "empty").mkdir()
    api.compile("arch_beginner_llama", twin=True, output_dir=tmp_path / "rotten")
    (tmp_path / "rotten" / "model.safetensors").write_bytes(b"rotten")
    api.compile("arch_beginner_llama", twin=True, output_dir=tmp_path / "weightless")
    (tmp_path / "weightless" / "model.safetensors").unlink()
    codes = {"mute": "tokenizer-missing", "empty": "model-foreign"}
    for directory, code in codes.items() | {"rotten": "model-unreadable", "weightless": "model-unreadable"}.items():
        with pytest.raises(EulerStackError) as failure:
            Writer(tmp_path / directory)
        assert failure.value.diagnostics[0].code == code


def test_every_token_can_be_seen(writer: Writer) -> None:
    words = [writer.word(token) for token in range(256)]
    assert all(word.strip() for word in words)
    assert "a" in words
