"""One stage of training with transformers' Trainer: packed batches, joint loss, small checkpoints."""

import json
import math
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback, TrainingArguments

from cloud_server.loading import computes_bf16
from cloud_server.modeling import ShadowModel
from cloud_server.training.data import Example
from cloud_server.training.objective import BatchBuilder, TagHead, batch_losses
from cloud_server.training.recipe import Recipe, Stage
from cloud_server.training.thin import ThinChanges

LOG_NAME = "log.jsonl"
STATE_NAME = "trainer_state.json"


class JsonLinesLog(TrainerCallback):
    """Writes every log entry of the Trainer as one line of JSON."""

    def __init__(self, path: Path, stage: str) -> None:
        self.path = path
        self.stage = stage

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        entry = {"stage": self.stage, "step": state.global_step, **(logs or {})}
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(entry) + "\n")


def last_checkpoint(directory: Path) -> Path | None:
    """Return the newest whole checkpoint: the Trainer writes its state file last."""
    whole = [path.parent for path in directory.glob(f"checkpoint-*/{STATE_NAME}")]
    return max(whole, key=_step_of, default=None)


def _step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.split("-")[1])


def rewind_log(log: Path, stage: str, checkpoint: Path | None) -> None:
    """Drop what an interrupted stage logged after its checkpoint, without one all; it will be logged again."""
    if not log.exists():
        return
    last = _step_of(checkpoint) if checkpoint else -1
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    whole = [(line, json.loads(line)) for line in lines if line.endswith("\n")]
    kept = [line for line, entry in whole if entry["stage"] != stage or entry["step"] <= last]
    log.write_text("".join(kept), encoding="utf-8")


class PackedTrainer(Trainer):
    """Trainer whose batches are packed forests, whose losses have names and weights, and whose
    checkpoints hold the adapter alone."""

    def __init__(self, model: nn.Module, stage: Stage, builder: BatchBuilder, **rest: Any) -> None:
        super().__init__(model=model, data_collator=builder, **rest)
        self.stage = stage
        self.parts: dict[str, list[float]] = {}

    def losses(self, model: Any, inputs: dict[str, Any]) -> dict[str, Tensor]:
        """Return a batch's losses by name: `tag`, `answer`, `avoid`, as far as they are learnt."""
        raise AssertionError("each trainer has losses of its own")

    def parameter_groups(self, model: Any) -> list[dict[str, Any]]:
        """Return AdamW's groups: parameters with their learning rates."""
        raise AssertionError("each trainer has parameters of its own")

    def compute_loss(
        self,
        model: Any,
        inputs: Any,
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Return the stage's weighted sum of losses; each part is logged by name."""
        # Trainer's own autocast covers `model.forward` alone, which is not called here.
        with torch.autocast(self.args.device.type, torch.bfloat16, enabled=self.args.bf16):
            losses = self.losses(model, inputs)
        weights = {
            "tag": self.stage.shadow_loss_weight,
            "answer": 1.0,
            "avoid": self.stage.avoid_loss_weight,
        }
        for name, value in losses.items():
            self.parts.setdefault(name, []).append(float(value.detach()))
        total: Tensor = torch.stack([weights[name] * value for name, value in losses.items()]).sum()
        return (total, None) if return_outputs else total

    def log(self, logs: dict[str, float], *rest: Any, **named: Any) -> None:
        """Add the mean of every loss part since the last entry."""
        for name, values in self.parts.items():
            logs[f"loss_{name}"] = round(sum(values) / len(values), 5)
        self.parts = {}
        super().log(logs, *rest, **named)

    def get_train_dataloader(self) -> DataLoader[Example]:
        """Batches in the order given: epochs are laid out beforehand, so that a resumed run skips right.

        Also keeps Trainer from `import datasets`, which would find this repository's data folder.
        """
        rows: Any = self.train_dataset
        return DataLoader(
            rows,
            batch_size=self.stage.batch_rows,
            collate_fn=self.data_collator,
            num_workers=1 if torch.cuda.is_available() else 0,  # lays out while the GPU computes
        )

    def create_optimizer(self, *_: Any) -> torch.optim.Optimizer:
        """AdamW over the trainer's own groups of parameters."""
        self.optimizer = torch.optim.AdamW(
            self.parameter_groups(self.model),
            lr=self.stage.learning_rate,
            weight_decay=self.stage.weight_decay,
            betas=(0.9, 0.98),
            fused=True,
        )
        return self.optimizer

    def end(self) -> None:
        """Leave the model as it is used; called once, when the stage is trained."""

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        model: Any = self.model
        model.save_pretrained(output_dir or self.args.output_dir)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        target: Any = model or self.model
        target.load_adapter(Path(resume_from_checkpoint))


class ShadowTrainer(PackedTrainer):
    """Trains a shadow, detached or joint."""

    def __init__(
        self, model: ShadowModel, stage: Stage, builder: BatchBuilder, **rest: Any
    ) -> None:
        super().__init__(model, stage, builder, **rest)
        self.tag_head = TagHead(builder.tree, model.shadow_head_weight())
        self.shadow = (model.shadow_model, model.shadow_hidden_projection)
        self.thin = ThinChanges(self.shadow, stage.change_rank) if stage.change_rank else None

    def losses(self, model: Any, inputs: dict[str, Any]) -> dict[str, Tensor]:
        """Return the losses of shadow and, in joint stages, base (`objective.py`)."""
        return batch_losses(model, inputs, self.tag_head)

    def parameter_groups(self, model: Any) -> list[dict[str, Any]]:
        """The shadow learns at its share of the rate, what is beside it in joint stages only."""
        rate = self.stage.learning_rate
        groups: list[dict[str, Any]] = []
        if self.thin:
            groups.append({"params": self.thin.parameters(), "lr": rate, "weight_decay": 0.0})
        elif self.stage.shadow_rate_multiplier > 0:
            parameters = [p for part in self.shadow for p in part.parameters()]
            groups.append({"params": parameters, "lr": rate * self.stage.shadow_rate_multiplier})
        if self.stage.mode == "joint":
            beside = [model.shadow_injection_model]
            if model.update_shadow:
                beside.append(model.shadow_update_model)
            groups.append({"params": [p for part in beside for p in part.parameters()], "lr": rate})
        return groups

    def end(self) -> None:
        """Add thin changes to the matrices they change."""
        if self.thin:
            self.thin.merge()

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        if self.thin:
            self.thin.save(Path(str(output_dir or self.args.output_dir)))
        else:
            super()._save(output_dir, state_dict)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if self.thin:
            self.thin.load(Path(resume_from_checkpoint))
        else:
            super()._load_from_checkpoint(resume_from_checkpoint, model)


class LowRankTrainer(PackedTrainer):
    """Trains LoRA or DoRA to answer as the attached shadow does."""

    def losses(self, model: Any, inputs: dict[str, Any]) -> dict[str, Tensor]:
        """Return `answer` and `avoid`."""
        found: dict[str, Tensor] = model.losses(inputs)
        return found

    def parameter_groups(self, model: Any) -> list[dict[str, Any]]:
        """All that peft trains, at the stage's rate."""
        return [{"params": [p for p in model.parameters() if p.requires_grad]}]


def _arguments(stage: Stage, recipe: Recipe, output: Path, steps: int) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(output),
        max_steps=steps,
        per_device_train_batch_size=stage.batch_rows,
        learning_rate=stage.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=max(1, round(steps * stage.warmup_share)),
        max_grad_norm=1.0,
        bf16=recipe.bf16 and computes_bf16(),
        use_cpu=not torch.cuda.is_available(),
        seed=recipe.seed,
        logging_steps=10,
        save_steps=recipe.save_steps,
        save_total_limit=1,
        remove_unused_columns=False,
        report_to=[],
        disable_tqdm=not sys.stderr.isatty(),
        dataloader_pin_memory=False,
    )


def run_stage(
    trainer: type[PackedTrainer],
    model: Any,
    stage: Stage,
    examples: list[Example],
    builder: BatchBuilder,
    recipe: Recipe,
    run_directory: Path,
) -> None:
    """Train one stage on the examples in their order, resuming from its last checkpoint if any."""
    output, log = run_directory / stage.name, run_directory / LOG_NAME
    found = last_checkpoint(output)
    rewind_log(log, stage.name, found)
    steps = math.ceil(len(examples) / stage.batch_rows)
    training = trainer(
        model,
        stage,
        builder,
        args=_arguments(stage, recipe, output, steps),
        train_dataset=examples,
        callbacks=[JsonLinesLog(log, stage.name)],
    )
    training.train(resume_from_checkpoint=str(found) if found else None)
    training.end()
