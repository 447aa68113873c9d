"""A compiled directory goes as it is into what people train with: a torch loop, accelerate, PEFT's LoRA, TRL."""

from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn
from torch.utils.data import DataLoader
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer

from eulerstack import api

pytestmark = pytest.mark.slow

LENGTH = 32
TWINS = {
    "attention": "arch_beginner_llama",
    "latent": "arch_advanced_mla",
    "mamba": "arch_advanced_jamba",
    "retnet": "arch_advanced_retnet",
    "hyena": "arch_expert_striped_hyena",
    "experts": "arch_expert_deepseek_moe_mini",
    "compressed": "arch_expert_dsv4_flash_mini",
    "memory": "arch_expert_titans_memory",
    "streams": "arch_expert_dual_stream",
    "everything": "arch_expert_kitchen_sink",
}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("handoff") / "model"
    api.compile("arch_beginner_llama", output_dir=target, twin=True)
    return target


def load(directory: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(directory, trust_remote_code=True, dtype=torch.float32)


def rows(count: int = 8) -> torch.Tensor:
    """Rows of four tokens in turn: to know which four is learned at once."""
    starts = torch.arange(count)[:, None]
    return (starts + torch.arange(LENGTH)) % 4 + 40


def test_a_plain_torch_loop(directory: Path) -> None:
    model = load(directory).train()
    optimizer = torch.optim.AdamW(model.optimizer_param_groups(1e-2))
    losses = []
    for _ in range(20):
        loss = model(input_ids=rows(), labels=rows()).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_accelerate_accumulates_saves_and_loads(directory: Path, tmp_path: Path) -> None:
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
    model = load(directory).train()
    optimizer = torch.optim.AdamW(model.optimizer_param_groups(1e-2))
    model, optimizer, loader = accelerator.prepare(model, optimizer, DataLoader(rows(), batch_size=4))
    losses = []
    for _ in range(15):
        for batch in loader:
            with accelerator.accumulate(model):
                loss = model(input_ids=batch, labels=batch).loss
                accelerator.backward(loss)
                optimizer.step()
                optimizer.zero_grad()
            losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
    trained = accelerator.unwrap_model(model).eval()
    trained.save_pretrained(tmp_path / "trained")
    torch.testing.assert_close(load(tmp_path / "trained").eval()(rows()).logits, trained(rows()).logits)


@pytest.mark.parametrize("preset", TWINS.values(), ids=TWINS)
def test_lora_reaches_every_linear_of_every_mixer(preset: str, tmp_path: Path) -> None:
    api.compile(preset, output_dir=tmp_path / "model", twin=True)
    base = load(tmp_path / "model")
    linears = {name for name, module in base.named_modules() if isinstance(module, nn.Linear) and name != "lm_head"}
    model = get_peft_model(base, LoraConfig(r=2, lora_alpha=4, target_modules="all-linear", task_type="CAUSAL_LM"))
    wrapped = {name for name, module in base.named_modules() if hasattr(module, "lora_A")}
    assert wrapped == linears
    torch.manual_seed(0)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.1)
    model.train()
    ids = torch.randint(0, 256, (2, 64))
    model(input_ids=ids, labels=ids).loss.backward()
    adapters = {name: parameter for name, parameter in model.named_parameters() if "lora_B" in name}
    assert all(parameter.requires_grad == ("lora_" in name) for name, parameter in model.named_parameters())
    idle = {name for name, parameter in adapters.items() if parameter.grad is None or not parameter.grad.any()}
    assert idle == set()


def test_lora_is_saved_loaded_and_merged(directory: Path, tmp_path: Path) -> None:
    model = get_peft_model(load(directory), LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM"))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.1)
    expected = model.eval()(input_ids=rows()).logits
    assert not torch.allclose(expected, load(directory).eval()(input_ids=rows()).logits, atol=1e-2)
    model.save_pretrained(tmp_path / "adapter")
    again = PeftModel.from_pretrained(load(directory), tmp_path / "adapter").eval()
    torch.testing.assert_close(again(input_ids=rows()).logits, expected)
    torch.testing.assert_close(again.merge_and_unload()(input_ids=rows()).logits, expected, rtol=1e-4, atol=1e-4)
    generated = model.generate(input_ids=rows(2), max_new_tokens=4, do_sample=False)
    assert generated.shape == (2, LENGTH + 4)


def test_trl_fine_tunes_it_on_completions(directory: Path, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(directory, trust_remote_code=True)
    examples = [{"prompt": f"{n} + 1 = ", "completion": f"{n + 1}"} for n in range(16)]
    settings = SFTConfig(
        output_dir=str(tmp_path),
        max_steps=12,
        per_device_train_batch_size=8,
        learning_rate=1e-2,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        disable_tqdm=True,
    )
    trainer = SFTTrainer(
        model=load(directory), args=settings, train_dataset=Dataset.from_list(examples), processing_class=tokenizer
    )
    trainer.train()
    losses = [line["loss"] for line in trainer.state.log_history if "loss" in line]
    assert len(losses) == 12
    assert losses[-1] < 0.7 * losses[0]
