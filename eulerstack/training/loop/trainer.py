"""HF Trainer as the loop runs it: our optimizer, our schedule, our held-out text, and an eye on every number."""

from typing import Any

import torch
from torch import distributed, nn
from transformers import PreTrainedModel, PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from eulerstack.training.data import Endless
from eulerstack.training.loop.diagnose import NotFinite, bad_gradient, bad_module, bad_parameter
from eulerstack.training.loop.held_out import HeldOut
from eulerstack.training.loop.optimizer import build_optimizer
from eulerstack.training.loop.pace import Pace
from eulerstack.training.loop.settings import Settings


class LoopTrainer(Trainer):
    """Trainer with what `training_hints` ask for. Raises NotFinite where a loss or a gradient is no number."""

    def __init__(
        self,
        model: PreTrainedModel,
        arguments: TrainingArguments,
        data: Endless,
        *,
        settings: Settings,
        held_out: HeldOut,
        pace: Pace,
        callback: TrainerCallback,
        **keys: Any,
    ):
        super().__init__(model, arguments, train_dataset=data, callbacks=[callback], **keys)
        self.remove_callback(PrinterCallback)  # our own reports tell, and nothing else
        self.settings, self.held_out, self.pace = settings, held_out, pace

    @property
    def trained(self) -> PreTrainedModel:
        """The model, whatever it is wrapped in."""
        model = self.accelerator.unwrap_model(self.model)
        assert isinstance(model, PreTrainedModel)
        return model

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Over the model's own groups, before it is wrapped."""
        if self.optimizer is None:
            self.optimizer = build_optimizer(self.trained, self.settings.lr)
        return self.optimizer

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> torch.optim.lr_scheduler.LRScheduler:
        """By the run's pace."""
        if self.lr_scheduler is None:
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
                optimizer or self.create_optimizer(), self.pace.factor
            )
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def compute_loss(self, model: nn.Module, inputs: dict[str, Any], *args: Any, **keys: Any) -> Any:
        """As Trainer's; nobody reads the logits, so the model need not hold them."""
        return super().compute_loss(model, {**inputs, "skip_logits": True}, *args, **keys)

    def training_step(
        self, model: nn.Module, inputs: dict[str, torch.Tensor], num_items_in_batch: torch.Tensor | int | None = None
    ) -> torch.Tensor:
        """As Trainer's, the loss and, where no scaler minds them, the gradients looked at."""
        loss = super().training_step(model, inputs, num_items_in_batch)
        if not self._everywhere(bool(loss.isfinite())):
            self._explain(inputs)
        if self.accelerator.sync_gradients and self.accelerator.scaler is None:
            gradients = [p.grad for p in self.trained.parameters() if p.grad is not None]
            if not self._everywhere(bool(torch.nn.utils.get_total_norm(gradients).isfinite())):
                raise NotFinite(self.state.global_step + 1, "gradient", bad_gradient(self.trained) or "loss")
        return loss

    def evaluate(self, *args: Any, **keys: Any) -> dict[str, float]:
        """The loss on held-out text, which no padding or auxiliary loss touches."""
        loss = self.held_out.loss(self.trained, self.args.device)
        metrics = {"eval_loss": loss, "eval_bits_per_byte": self.held_out.bits_per_byte(loss)}
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _explain(self, inputs: dict[str, torch.Tensor]) -> None:
        """Raise NotFinite with the first place that shows it."""
        step = self.state.global_step + 1
        if name := bad_parameter(self.trained):
            raise NotFinite(step, "parameters", name)
        place = bad_module(self.trained, self._prepare_inputs(inputs))
        raise NotFinite(step, "loss", place or "loss")

    def _everywhere(self, fine: bool) -> bool:
        """Whether it is so in every process, so that all stop together."""
        if not (distributed.is_available() and distributed.is_initialized()):
            return fine
        flag = torch.tensor(float(fine), device=self.args.device)
        distributed.all_reduce(flag, op=distributed.ReduceOp.MIN)
        return bool(flag)


def arguments_for(
    settings: Settings, hints: dict[str, Any], output: str, *, precision: str, processes: int, micro_batch: int
) -> TrainingArguments:
    """What Trainer is told. Rows come in the order of `Endless`, so Trainer must not shuffle."""
    return TrainingArguments(
        output_dir=output,
        max_steps=settings.steps,
        per_device_train_batch_size=micro_batch,
        gradient_accumulation_steps=settings.batch // (processes * micro_batch),
        train_sampling_strategy="sequential",
        dataloader_drop_last=True,
        dataloader_pin_memory=torch.cuda.is_available(),
        max_grad_norm=hints["grad_clip"],
        activation_checkpointing=settings.checkpointing,
        bf16=precision == "bf16",
        fp16=precision == "fp16",
        seed=settings.seed,
        logging_steps=settings.log_every,
        logging_nan_inf_filter=False,
        eval_strategy="no",  # the run's callback says when
        save_strategy="no",
        save_total_limit=2,
        report_to="none",
        disable_tqdm=True,
        use_cpu=not torch.accelerator.is_available(),  # else accelerate takes several processes on CPUs for none
        ddp_backend="gloo" if processes > 1 and not torch.accelerator.is_available() else None,
        # with checkpointing a search would find every parameter unused
        ddp_find_unused_parameters=not settings.checkpointing,
    )
