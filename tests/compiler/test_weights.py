"""The weight writer: its files are safetensors, its bytes depend on seed and name alone, its laws are the laws."""

import json
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
import torch
from huggingface_hub import split_torch_state_dict_into_shards
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from transformers import MambaConfig, MambaModel

from eulerstack.compiler import values
from eulerstack.compiler.values import draw_block, drawn, normal_quantiles, round_to_bfloat16
from eulerstack.compiler.weights import Tensor, index_of, plan, write
from eulerstack.schema.mixers.mamba import Mamba, MambaKeys
from tests.schema.parts import DIMS

NORMAL = {"law": "normal", "std": 0.02}


def some_tensors(dtype: str = "bfloat16") -> list[Tensor]:
    return [
        Tensor("model.embed_tokens.weight", (64, 32), NORMAL, dtype),
        Tensor("model.layers.0.mixer.A_log", (7,), {"law": "uniform", "low": 1.0, "high": 16.0}, "float32"),
        Tensor("model.layers.0.mixer.q_proj.weight", (33, 31), {"law": "normal", "std": 0.5}, dtype),
        Tensor("model.layers.0.mixer.q_proj.bias", (33,), {"law": "zeros"}, dtype),
        Tensor("model.norm.weight", (31,), {"law": "ones"}, dtype),
        Tensor("scale", (), {"law": "constant", "value": 0.25}, dtype),
    ]


def read(directory: Path) -> dict[str, torch.Tensor]:
    found = {}
    for path in sorted(directory.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            found |= {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return found


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_the_safetensors_library_reads_what_was_written(tmp_path: Path, dtype: str) -> None:
    tensors = some_tensors(dtype)
    write(plan(tensors), tmp_path, drawn(0))
    found = read(tmp_path)
    assert {name: tuple(value.shape) for name, value in found.items()} == {t.name: t.shape for t in tensors}
    assert {name: value.dtype for name, value in found.items()} == {t.name: getattr(torch, t.dtype) for t in tensors}
    assert found["scale"].item() == 0.25
    assert found["model.norm.weight"].eq(1).all()
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}


def test_every_tensor_starts_at_a_multiple_of_its_element_size(tmp_path: Path) -> None:
    write(plan(some_tensors()), tmp_path, drawn(0))
    raw = (tmp_path / "model.safetensors").read_bytes()
    length = int.from_bytes(raw[:8], "little")
    assert length % 8 == 0
    header = json.loads(raw[8 : 8 + length])
    width = {"F32": 4, "BF16": 2}
    assert all(entry["data_offsets"][0] % width[entry["dtype"]] == 0 for key, entry in header.items() if key[0] != "_")


@pytest.mark.parametrize("max_shard_size", [1, 500, 5_000, 10**9])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_tensors_bytes_depend_on_neither_shards_nor_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, max_shard_size: int, threads: int
) -> None:
    monkeypatch.setattr(values, "BLOCK", 100)
    expected = {t.name: [draw_block(t, b, 5) for b in range(-(-t.count // 100))] for t in some_tensors("float32")}
    write(plan(some_tensors("float32"), max_shard_size), tmp_path, drawn(5, threads))
    found = read(tmp_path)
    for name, blocks in expected.items():
        assert np.array_equal(np.concatenate(blocks), found[name].numpy().ravel()), name


@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.integers(2, 120))
def test_shards_are_those_of_huggingface_hub(sizes: list[int], limit: int) -> None:
    state = {f"t{i}": torch.empty(n, dtype=torch.bfloat16) for i, n in enumerate(sizes)}
    ours = plan([Tensor(name, tuple(value.shape), NORMAL, "bfloat16") for name, value in state.items()], limit)
    theirs = split_torch_state_dict_into_shards(
        state, filename_pattern="model{suffix}.safetensors", max_shard_size=limit
    )
    contents = [sorted(names) for names in theirs.filename_to_tensors.values() if names]
    assert [sorted(t.name for t in shard.tensors) for shard in ours] == contents
    index = index_of(ours)
    assert (index is not None) == (len(ours) > 1)
    if index:
        assert index["metadata"]["total_size"] == theirs.metadata["total_size"]


def test_seed_name_and_block_each_change_the_values() -> None:
    tensor = Tensor("a", (64,), NORMAL, "float32")
    draws = [
        draw_block(tensor, 0, 0),
        draw_block(tensor, 0, 1),
        draw_block(Tensor("b", (64,), NORMAL, "float32"), 0, 0),
    ]
    assert len({draw.tobytes() for draw in draws}) == 3
    assert draw_block(tensor, 0, 0).tobytes() == draws[0].tobytes()


def test_blocks_of_one_tensor_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "BLOCK", 32)
    tensor = Tensor("a", (64,), NORMAL, "float32")
    assert draw_block(tensor, 0, 0).tobytes() != draw_block(tensor, 1, 0).tobytes()


def test_a_narrow_model_is_the_float32_model_rounded() -> None:
    wide = torch.from_numpy(draw_block(Tensor("a", (5000,), NORMAL, "float32"), 0, 3))
    half = torch.from_numpy(draw_block(Tensor("a", (5000,), NORMAL, "float16"), 0, 3))
    brain = torch.from_numpy(draw_block(Tensor("a", (5000,), NORMAL, "bfloat16"), 0, 3)).view(torch.bfloat16)
    assert torch.equal(wide.half(), half)
    assert torch.equal(wide.bfloat16(), brain)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=50))
def test_bfloat16_is_rounded_as_torch_rounds(values: list[float]) -> None:
    numbers = np.array(values, np.float32)
    expected = torch.from_numpy(numbers.copy()).bfloat16()
    bits = torch.from_numpy(round_to_bfloat16(numbers).astype(np.uint16)).view(torch.bfloat16)
    assert torch.equal(expected, bits)


def test_normal_is_normal() -> None:
    sample = (
        draw_block(Tensor("a", (1 << 20,), {"law": "normal", "std": 0.5}, "float32"), 0, 0).astype(np.float64) / 0.5
    )
    error = 5 / np.sqrt(sample.size)
    assert abs(sample.mean()) < error
    assert abs(sample.std() - 1) < error
    assert abs((sample**4).mean() - 3) < 10 * error
    assert abs(np.corrcoef(sample[:-1], sample[1:])[0, 1]) < error
    points = np.linspace(-4.5, 4.5, 181)
    shares = np.searchsorted(np.sort(sample), points) / sample.size
    assert np.abs(shares - [NormalDist().cdf(point) for point in points]).max() < 2 / np.sqrt(sample.size)
    assert len(np.unique(sample)) > 0.95 * sample.size
    assert 4.2 < np.abs(sample).max() < 4.4


def test_the_quantiles_have_mean_0_and_variance_1() -> None:
    quantiles = normal_quantiles()
    assert abs(quantiles.mean()) < 1e-15
    assert quantiles.var() == pytest.approx(1, abs=1e-12)


def test_uniform_is_uniform() -> None:
    sample = draw_block(Tensor("a", (1 << 20,), {"law": "uniform", "low": -1.0, "high": 3.0}, "float32"), 0, 0)
    assert sample.min() >= -1
    assert sample.max() <= 3
    counts, _ = np.histogram(sample, bins=16, range=(-1, 3))
    expected = sample.size / 16
    assert ((counts - expected) ** 2 / expected).sum() < 50


def test_an_unknown_law_is_not_guessed() -> None:
    with pytest.raises(ValueError, match="cauchy"):
        draw_block(Tensor("a", (4,), {"law": "cauchy"}, "float32"), 0, 0)


def test_progress_adds_up_to_the_tensors_bytes(tmp_path: Path) -> None:
    seen: list[int] = []
    write(plan(some_tensors()), tmp_path, drawn(0), advance=seen.append)
    assert sum(seen) == sum(t.nbytes for t in some_tensors())


def test_state_constants_of_mamba_are_transformers() -> None:
    config = MambaConfig(hidden_size=1024, num_hidden_layers=1, vocab_size=8)
    theirs = MambaModel(config).layers[0].mixer
    stated = {p.name: p.init for p in Mamba.resolve(MambaKeys(variant="mamba1", d_state=16), DIMS).parameters(1024)}
    log_index, step = ({"law": init.kind, **dict(init.arguments)} for init in (stated["A_log"], stated["dt_proj.bias"]))
    written = draw_block(Tensor("A_log", (2048, 16), log_index, "float32"), 0, 0)
    assert np.allclose(written.reshape(2048, 16), theirs.A_log.detach().numpy())
    written = np.sort(draw_block(Tensor("dt_proj.bias", (2048,), step, "float32"), 0, 0))
    assert np.abs(written - np.sort(theirs.dt_proj.bias.detach().numpy())).max() < 0.5
    assert np.abs(written - np.sort(theirs.dt_proj.bias.detach().numpy())).mean() < 0.1


def test_a_law_of_position_goes_on_from_block_to_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "BLOCK", 100)
    monkeypatch.setattr(values, "CHUNK", 32)
    tensor = Tensor("A_log", (50, 7), {"law": "log_of_index"}, "float32")
    written = np.concatenate([draw_block(tensor, block, 0) for block in range(4)]).reshape(50, 7)
    assert np.allclose(np.exp(written), np.arange(1, 8))


def test_a_wider_row_holds_each_number_more_often() -> None:
    tensor = Tensor("A_log", (6,), {"law": "log_of_index", "every": 2.0}, "float32")
    assert np.allclose(np.exp(draw_block(tensor, 0, 0)), [1, 1, 2, 2, 3, 3])
