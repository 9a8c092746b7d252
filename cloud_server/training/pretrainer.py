"""The causal-LM training of a projected shadow under the base's frozen head, with transformers' Trainer."""

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader
from transformers import PretrainedConfig, PreTrainedModel, Trainer, TrainingArguments

from cloud_server.loading import computes_bf16
from cloud_server.modeling.heads import cap_logits
from cloud_server.training.corpus import Blocks
from cloud_server.training.pretraining_recipe import PretrainingRecipe
from cloud_server.training.trainer import (
    LOG_NAME,
    JsonLinesLog,
    last_checkpoint,
    rewind_log,
)
from shared.errors import CheckpointMismatch

LOSS_POSITIONS = 1024
"""Positions whose logits are made at once: 0.6 GB in fp32 for a vocabulary of 150,000."""
TRAINED_NAME = "trained.safetensors"
_STAGE = "pretraining"


class NextTokenLoss(nn.Module):
    """The objective: `input_ids` [batch, tokens] to the mean cross-entropy of each next token.

    The logits are W_large · P · B(E(x)) (eq. 11); B and P learn, `head` W_large is the base's and
    frozen. They exist for `LOSS_POSITIONS` at a time and are made again in the backward pass.
    """

    def __init__(
        self,
        shadow: PreTrainedModel,
        projection: nn.Linear,
        head: nn.Linear,
        base_config: PretrainedConfig,
    ) -> None:
        super().__init__()
        self.shadow_model = shadow
        self.shadow_hidden_projection = projection
        self.head = head.requires_grad_(False)
        self.base_config = base_config

    def forward(self, input_ids: Tensor) -> Tensor:
        """Return the mean over batch · (tokens - 1) predictions, in nats."""
        hidden = self.shadow_model(input_ids=input_ids, use_cache=False).last_hidden_state
        state = self.shadow_hidden_projection(hidden[:, :-1]).flatten(0, 1)
        targets = input_ids[:, 1:].flatten()
        parts = zip(
            torch.split(state, LOSS_POSITIONS), torch.split(targets, LOSS_POSITIONS), strict=True
        )
        losses = [checkpoint(self._summed, *part, use_reentrant=False) for part in parts]
        total: Tensor = torch.stack(losses).sum() / len(targets)
        return total

    def _summed(self, state: Tensor, targets: Tensor) -> Tensor:
        logits = cap_logits(self.head(state).float(), self.base_config)
        return F.cross_entropy(logits, targets, reduction="sum")

    def trained(self) -> dict[str, Tensor]:
        """Return the tensors that learn, by name."""
        return {name: each for name, each in self.named_parameters() if each.requires_grad}


class Pretrainer(Trainer):
    """Trainer over blocks in the order given, whose checkpoints hold the tensors that learn."""

    def __init__(
        self, model: NextTokenLoss, held_out: Blocks, batch_blocks: int, **rest: Any
    ) -> None:
        super().__init__(model=model, eval_dataset=held_out, **rest)
        self.batch_blocks = batch_blocks
        self.measured: tuple[int, dict[str, float]] | None = None

    def compute_loss(
        self,
        model: Any,
        inputs: Any,
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Return the model's own loss."""
        loss = model(**inputs)
        return (loss, None) if return_outputs else loss

    def log(self, logs: dict[str, float], *rest: Any, **named: Any) -> None:
        """Name the training loss as the plot wants it."""
        if "loss" in logs:
            logs["loss_training"] = logs.pop("loss")
        super().log(logs, *rest, **named)

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Return and log the mean loss over the blocks held out; no random number is drawn.

        The Trainer asks twice after its last step; that costs and logs nothing more.
        """
        step = self.state.global_step
        if self.measured is None or self.measured[0] != step:
            self.measured = step, {"loss_held_out": self._measure()}
            self.log(dict(self.measured[1]))
        return self.measured[1]

    @torch.no_grad()
    def _measure(self) -> float:
        model: Any = self.model
        model.eval()
        blocks: Any = self.eval_dataset
        losses = [model(self._one(blocks, number)) for number in range(len(blocks))]
        model.train()
        return float(torch.stack(losses).mean())

    def _one(self, blocks: Blocks, number: int) -> Tensor:
        return blocks[number]["input_ids"][None].to(self.args.device)

    def get_train_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Batches in the order given, so that a resumed run skips right and reads nothing it skips.

        Also keeps Trainer from `import datasets`, which would find this repository's data folder.
        """
        blocks: Any = self.train_dataset
        return DataLoader(blocks, batch_size=self.batch_blocks)

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        folder = Path(output_dir or str(self.args.output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        model: Any = self.model
        tensors = {name: each.detach().cpu().contiguous() for name, each in model.trained().items()}
        save_file(tensors, str(folder / TRAINED_NAME))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        target: Any = model or self.model
        load_trained(target, Path(resume_from_checkpoint))


def load_trained(model: NextTokenLoss, checkpoint_directory: Path) -> None:
    """Copy a checkpoint's tensors into the model; CheckpointMismatch unless they are just its own."""
    path = checkpoint_directory / TRAINED_NAME
    found, wanted = load_file(str(path)), model.trained()
    wrong = sorted(set(found) ^ set(wanted)) or [
        name for name, each in wanted.items() if each.shape != found[name].shape
    ]
    if wrong:
        raise CheckpointMismatch(f"{path} does not fit this shadow: {', '.join(wrong[:8])}")
    with torch.no_grad():
        for name, target in wanted.items():
            target.copy_(found[name])


def run_pretraining(
    model: NextTokenLoss,
    training: Blocks,
    held_out: Blocks,
    recipe: PretrainingRecipe,
    run_directory: Path,
) -> None:
    """Train over all of `training`, going on from the last checkpoint where there is one."""
    found = last_checkpoint(run_directory)
    log = run_directory / LOG_NAME
    rewind_log(log, _STAGE, found)
    trainer = Pretrainer(
        model,
        held_out,
        recipe.schedule.batch_blocks,
        args=_arguments(recipe, run_directory, len(training), first=found is None),
        train_dataset=training,
        callbacks=[JsonLinesLog(log, _STAGE)],
    )
    trainer.train(resume_from_checkpoint=str(found) if found else None)


def _arguments(
    recipe: PretrainingRecipe, output: Path, blocks: int, *, first: bool
) -> TrainingArguments:
    schedule, record = recipe.schedule, recipe.record
    steps = blocks // (schedule.batch_blocks * schedule.accumulation)
    measures = recipe.text.held_out_blocks > 0
    return TrainingArguments(
        output_dir=str(output),
        max_steps=steps,
        per_device_train_batch_size=schedule.batch_blocks,
        gradient_accumulation_steps=schedule.accumulation,
        learning_rate=schedule.learning_rate,
        weight_decay=schedule.weight_decay,
        lr_scheduler_type="cosine",
        warmup_steps=round(steps * schedule.warmup_share),
        max_grad_norm=1.0,
        bf16=recipe.bf16 and computes_bf16(),
        use_cpu=not torch.cuda.is_available(),
        seed=recipe.seed,
        logging_first_step=True,
        logging_steps=record.log_steps,
        save_steps=record.save_steps,
        save_total_limit=record.keep_checkpoints,
        eval_strategy="steps" if measures else "no",
        eval_steps=record.evaluate_steps,
        eval_on_start=measures and first,
        remove_unused_columns=False,
        report_to=[],
        disable_tqdm=False,
        dataloader_pin_memory=False,
    )
