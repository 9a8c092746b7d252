"""`cloud-server train`: a recipe from nothing to an adapter with its thresholds and figures."""

import json
import math
import random
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from cloud_server.adapter_files import CALIBRATION_NAME, FIGURES_NAME, THRESHOLDS_NAME
from cloud_server.modeling import ShadowConfig, ShadowModel
from cloud_server.modeling.backbone import cast_weights
from cloud_server.training.augmentation import Augmenter
from cloud_server.training.base import TrainingBase, load_base_to_train
from cloud_server.training.calibration import (
    calibration_error,
    fit_temperature,
    fold_temperature,
)
from cloud_server.training.data import Example, Row, draw, hard_target, read_files
from cloud_server.training.low_rank import LowRankLearner, adapt
from cloud_server.training.objective import BatchBuilder
from cloud_server.training.plots import plot_log
from cloud_server.training.posterior import Posteriors, branch_states, reading, tag_head
from cloud_server.training.recipe import (
    DataSection,
    LowRankSection,
    Recipe,
    Stage,
)
from cloud_server.training.run_inputs import begin_run
from cloud_server.training.soft_targets import read_soft_targets
from cloud_server.training.thresholds import choose_thresholds, validation_figures
from cloud_server.training.trainer import (
    LowRankTrainer,
    PackedTrainer,
    ShadowTrainer,
    run_stage,
)


def stage_rows(data: DataSection, directory: Path, seed: int) -> list[Row]:
    """Return a stage's rows: commands, answers (repeated), other remote requests, and whole files."""
    commands = draw(read_files(directory, data.commands), data.command_rows, seed)
    answers = read_files(directory, data.answers) * data.answer_repeats
    remote = draw(read_files(directory, data.remote), data.remote_rows, seed)
    whole = [
        row for name, times in data.whole.items() for row in read_files(directory, [name]) * times
    ]
    return [*commands, *answers, *remote, *whole]


def stage_examples(stage: Stage, rows: Sequence[Row], directory: Path, seed: int) -> list[Example]:
    """Return what a stage sees, epoch after epoch, shuffled and disturbed by the seed.

    A detached shadow decides an utterance by itself, so rows with a history are for joint stages.
    All is laid out beforehand, so that a resumed run goes on with the very example it stopped at.
    """
    if stage.mode == "detached":
        rows = [row for row in rows if not row.history]
    soft = read_soft_targets(directory / stage.teacher) if stage.teacher else {}
    order, augmenter = random.Random(seed), Augmenter(stage.augmentation, rows, seed)
    targets = {row.id: _target(row, stage, soft) for row in rows}
    examples = [
        Example(row, augmenter.disturb(row), targets[row.id])
        for _ in range(math.ceil(stage.epochs))
        for row in order.sample(rows, len(rows))
    ]
    examples = examples[: max(1, round(len(rows) * stage.epochs))]
    return _with_attached(examples, stage, directory, seed) if stage.attached else examples


def _with_attached(
    examples: list[Example], stage: Stage, directory: Path, seed: int
) -> list[Example]:
    """Return the examples with a batch of attached ones before every `every - 1` of theirs."""
    assert stage.attached
    rows = stage_rows(stage.attached.data, directory, seed)
    order, augmenter = random.Random(seed), Augmenter(stage.augmentation, rows, seed)
    own = stage.batch_rows * (stage.attached.every - 1)
    mixed: list[Example] = []
    waiting: list[Row] = []
    for start in range(0, len(examples), own):
        for _ in range(stage.batch_rows):
            waiting = waiting or order.sample(rows, len(rows))
            row = waiting.pop()
            mixed.append(Example(row, augmenter.disturb(row), hard_target(row.label), True))
        mixed += examples[start : start + own]
    return mixed


def _target(row: Row, stage: Stage, soft: dict[str, tuple[float, ...]]) -> tuple[float, ...]:
    hard = hard_target(row.label, stage.label_smoothing)
    if row.id not in soft:
        return hard
    share = stage.teacher_weight
    return tuple(share * a + (1 - share) * b for a, b in zip(soft[row.id], hard, strict=True))


def train(recipe: Recipe, datasets: Path, run_directory: Path) -> Path:
    """Run the recipe's stages in `run_directory` (resumed where they stand) and return the adapter's
    directory: a shadow's library-format files, thresholds and figures, or peft's files.

    ConfigurationError where the run was begun with another recipe, other data or another shadow.
    """
    begin_run(recipe, datasets, run_directory)
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    loaded = load_base_to_train(recipe.profile)
    if recipe.low_rank:
        return _train_low_rank(recipe, recipe.low_rank, loaded, datasets, run_directory)
    model = _create(recipe, loaded)
    for stage in recipe.stages:
        done = run_directory / f"{stage.name}.done"
        finished = run_directory / stage.name / "adapter"
        if done.exists() and stage.mode == "detached":
            model.load_shadow(finished)  # what is beside the shadow has learnt nothing yet
            continue
        if done.exists():
            model = ShadowModel.from_pretrained(loaded.model, finished)
            continue
        for part in (model.shadow_model, model.shadow_hidden_projection):
            part.requires_grad_(stage.shadow_rate_multiplier > 0)
        frozen = stage.shadow_rate_multiplier == 0
        builder = BatchBuilder(loaded.encoder, answers=stage.mode == "joint", tags=not frozen)
        _run(ShadowTrainer, model, stage, builder, recipe, datasets, run_directory)
        model.eval()
        if stage.calibrate:
            calibrate(model, loaded, read_files(datasets, stage.data.calibration), finished)
        model.save_pretrained(finished)
        done.touch()
    return _finish(model, recipe, loaded.encoder, datasets, run_directory)


def calibrate(
    model: ShadowModel,
    loaded: TrainingBase,
    rows: list[Row],
    finished: Path,
    folded: float = 1.0,
) -> None:
    """Fold the temperature that fits `rows` into the model; what it changed goes to calibration.json.

    folded: one that is in the model already; the file has the two in all.
    """
    texts, labels = [row.text for row in rows], [row.label for row in rows]
    states, head = branch_states(model, loaded.encoder, texts), tag_head(model, loaded.encoder)
    temperature = fit_temperature(states, head, labels)
    before, after = (head.log_posterior(states / each).exp() for each in (1.0, temperature))
    fold_temperature(model, temperature)
    finished.mkdir(parents=True, exist_ok=True)
    report = {
        "rows": len(rows),
        "temperature": round(temperature * folded, 3),
        "calibration_error": {
            "before": round(calibration_error(before, labels), 5),
            "after": round(calibration_error(after, labels), 5),
        },
    }
    (finished / CALIBRATION_NAME).write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report), flush=True)


def _create(recipe: Recipe, loaded: TrainingBase) -> ShadowModel:
    if recipe.goes_on_from:
        return ShadowModel.from_pretrained(loaded.model, recipe.goes_on_from)
    shadow = recipe.shadow
    config = ShadowConfig(
        num_shadow_layers=shadow.layers,
        injection_hidden_size=shadow.rank,
        gate_hidden_size=shadow.gate,
        alpha=shadow.alpha,
        dropout=shadow.dropout,
    )
    return ShadowModel.create(loaded.model, config, start=shadow.start, update=shadow.update)


def _run(
    trainer: type[PackedTrainer],
    model: Any,
    stage: Stage,
    builder: BatchBuilder,
    recipe: Recipe,
    datasets: Path,
    run_directory: Path,
) -> None:
    rows = stage_rows(stage.data, datasets, recipe.seed)
    print(f"stage {stage.name}: {len(rows)} rows, {stage.epochs:g} epochs", flush=True)
    examples = stage_examples(stage, rows, datasets, recipe.seed)
    model.train()
    run_stage(trainer, model, stage, examples, builder, recipe, run_directory)


def _train_low_rank(
    recipe: Recipe,
    section: LowRankSection,
    loaded: TrainingBase,
    datasets: Path,
    run_directory: Path,
) -> Path:
    """Train LoRA or DoRA by the recipe's stages and return the directory of peft's files."""
    builder = BatchBuilder(loaded.encoder, answers=True, tags=False)
    adapted = adapt(
        loaded.model, section.rank, dora=section.method == "dora", dropout=section.dropout
    )
    learner = LowRankLearner(adapted, builder.tree.tokens[0])
    for stage in recipe.stages:
        done, finished = (
            run_directory / f"{stage.name}.done",
            run_directory / stage.name / "adapter",
        )
        if done.exists():
            learner.load_adapter(finished)
            continue
        _run(LowRankTrainer, learner, stage, builder, recipe, datasets, run_directory)
        learner.save_pretrained(finished)
        done.touch()
    adapter = run_directory / "adapter"
    learner.save_pretrained(adapter)
    plot_log(run_directory / "log.jsonl", adapter / "loss.png")
    return adapter


def _finish(
    model: ShadowModel, recipe: Recipe, encoder: Any, datasets: Path, run_directory: Path
) -> Path:
    """Save the adapter in bf16, choose thresholds with exactly those weights, write figures and plot."""
    model.eval()
    adapter = run_directory / "adapter"
    save_as_shipped(model, adapter)
    for stage in recipe.stages:
        if stage.calibrate:
            shutil.copy(run_directory / stage.name / "adapter" / CALIBRATION_NAME, adapter)
    write_thresholds(reading(model, encoder), recipe, datasets, adapter)
    plot_log(run_directory / "log.jsonl", adapter / "loss.png")
    return adapter


def save_as_shipped(model: ShadowModel, directory: Path) -> None:
    """Save the adapter in bf16, as a shipped one is, and let the model have exactly those weights."""
    for part in model.adapter_modules().values():
        cast_weights(part, torch.bfloat16)
    model.save_pretrained(directory)
    for part in model.adapter_modules().values():
        cast_weights(part, torch.float32)


def write_thresholds(
    read: Posteriors,
    recipe: Recipe,
    datasets: Path,
    adapter: Path,
    least: Mapping[str, float] | None = None,
) -> None:
    """Choose thresholds for what `read` makes of the recipe's calibration rows, and write them and
    the validation's figures.

    least: by tier, what no threshold is below.
    """
    data = recipe.stages[-1].data
    choosing = read_files(datasets, data.chosen_on)
    choice = choose_thresholds(read([row.text for row in choosing]), choosing, least=least)
    thresholds = choice.thresholds
    (adapter / THRESHOLDS_NAME).write_text(json.dumps(thresholds, indent=2) + "\n")
    rows = read_files(datasets, data.validation)
    figures = validation_figures(read([row.text for row in rows]), rows, thresholds)
    figures["chosen_by"] = {"certified": choice.certified, "risks": choice.counts}
    (adapter / FIGURES_NAME).write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n")
    print(json.dumps(figures, ensure_ascii=False), flush=True)
