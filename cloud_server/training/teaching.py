"""`cloud-server teach`: a trained shadow learns skills of folders and keeps the ones it knows.

Training goes on from the shipped weights, detached alone. Beside the new rows it sees default rows
again, with its own posterior from before as their target (Li and Hoiem 2017, Learning without
Forgetting). What was learnt is then taken back as far as the old skills need it (Wortsman et al.
2022, Robust fine-tuning), and thresholds are chosen anew by the rule the shipped ones were chosen by.
"""

import json
import random
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cloud_server.adapter_files import TAUGHT_NAME, Taught, read_second_reading, read_taught
from cloud_server.modeling import ShadowModel
from cloud_server.modeling.change import part_way
from cloud_server.training.augmentation import Augmenter
from cloud_server.training.base import TrainingBase, load_base_to_train
from cloud_server.training.data import Example, hard_target
from cloud_server.training.judge import Judge
from cloud_server.training.lesson import Lesson, prepare_lesson
from cloud_server.training.objective import BatchBuilder
from cloud_server.training.posterior import Posteriors, reading, tag_posteriors
from cloud_server.training.recipe import (
    RECIPE_NAME,
    Recipe,
    Stage,
    read_recipe,
    write_recipe,
    written,
)
from cloud_server.training.second_reader import ReaderRecipe
from cloud_server.training.teaching_report import REPORT_NAME, count, measure
from cloud_server.training.thresholds import decide
from cloud_server.training.train import save_as_shipped
from cloud_server.training.trainer import LOG_NAME, ShadowTrainer, run_stage
from shared.errors import ConfigurationError, ModelError
from shared.skills import BUILT_IN
from shared.tags import REMOTE, TAGS
from shared.taught_skill import TaughtSkill

HELD_OUT_SHARE = 0.2
NEW_SHARE = 1 / 4
"""The new rows' share of what is seen; they are few, so each is seen several times, disturbed anew."""
MOST_LOST = 0.01
"""How much of the old commands' share right may be lost."""
SHARES = (1.0, 0.8, 0.6)
"""How much of what was learnt may stay: a part of every weight's change."""
_OLD_TAGS = (*(f"[{skill.name}()]" for skill in BUILT_IN), REMOTE)


@dataclass(frozen=True)
class _Before:
    """The shadow as it was: weights, how often it acts wrongly, its share of old commands right."""

    weights: dict[str, Tensor]
    wrong: dict[str, int]
    right: float


def teach(
    taught: Sequence[TaughtSkill],
    folders: Sequence[Path],
    recipe: Recipe,
    reader_recipe: ReaderRecipe,
    datasets: Path,
    adapter: Path,
    run_directory: Path,
) -> dict[str, Any]:
    """Teach `adapter`'s shadow the skills, which the catalogue holds already, and return the report.

    Its second reader, where it has one, is fitted anew by `reader_recipe` with the new rows. The new
    adapter lies in `run_directory/adapter`, the report beside it. ModelError where the shadow was
    taught before, ConfigurationError where the recipe says what teaching does not do or where something
    else than a lesson lies in `run_directory`.
    """
    _refuse_taught(adapter)
    _refuse_ignored(recipe)
    _refuse_folder(recipe, adapter, run_directory)
    wall_s, processor_s = time.perf_counter(), time.process_time()
    stage = recipe.stages[0]
    has_reader = read_second_reading(adapter) is not None
    read_by = [*reader_recipe.commands, *reader_recipe.remote] if has_reader else []
    lesson = prepare_lesson(
        taught, folders, stage.data, datasets, HELD_OUT_SHARE, recipe.seed, read_by
    )
    _begin_run(recipe, run_directory)
    loaded = load_base_to_train(recipe.profile)
    model = ShadowModel.from_pretrained(loaded.model, adapter).eval()
    print(f"1/3 what the shadow makes of {len(lesson.replayed)} rows before", flush=True)
    old = partial(_old_posteriors, model, loaded)
    examples = lay_out(lesson, old, stage, recipe.seed)
    judge = Judge.of(adapter, _OLD_TAGS)
    before = measure(old, lesson, judge)
    known = _look_before(model, old, lesson, judge)
    print(f"2/3 learning from {len(examples)} rows, {len(lesson.new)} of them new", flush=True)
    _learn(model, loaded, examples, recipe, run_directory)
    print("3/3 choosing thresholds and measuring", flush=True)
    judge = judge.taught(reader_recipe, taught, lesson, datasets)
    share, judge = _settle(model, loaded, lesson, known, judge)
    judge.save(_save(model, taught, lesson, run_directory))
    report = {
        "taught": [each.name for each in taught],
        "rows": count(lesson, len(examples)),
        "before": before,
        "after": measure(reading(model, loaded.encoder), lesson, judge),
        "kept_share": share,
        "seconds": {
            "wall": round(time.perf_counter() - wall_s, 1),
            "processor": round(time.process_time() - processor_s, 1),
        },
    }
    text = json.dumps(report, indent=2, ensure_ascii=False)
    (run_directory / REPORT_NAME).write_text(text + "\n", encoding="utf-8")
    return report


def _learn(
    model: ShadowModel,
    loaded: TrainingBase,
    examples: list[Example],
    recipe: Recipe,
    run_directory: Path,
) -> None:
    """Train the detached shadow on the examples in their order."""
    model.shadow_model.requires_grad_(True)
    model.shadow_hidden_projection.requires_grad_(False)
    model.train()
    builder = BatchBuilder(loaded.encoder, answers=False)
    run_stage(ShadowTrainer, model, recipe.stages[0], examples, builder, recipe, run_directory)
    model.eval()


def _settle(
    model: ShadowModel,
    loaded: TrainingBase,
    lesson: Lesson,
    before: _Before,
    judge: Judge,
) -> tuple[float, Judge]:
    """Take back as much of what was learnt as the old commands of the calibration split need, and
    return the share of it that stays, and the judge with its thresholds. The weights are then as saved."""
    rows = [*lesson.calibration, *lesson.held_out]
    learnt = {name: each.clone() for name, each in model.shadow_model.state_dict().items()}
    for share in SHARES:
        mixed = part_way(before.weights, learnt, share)
        model.shadow_model.load_state_dict(
            {name: each.to(torch.bfloat16).float() for name, each in mixed.items()}
        )
        posteriors = tag_posteriors(model, loaded.encoder, [row.text for row in rows])
        settled = judge.settled(rows, posteriors, before.wrong)
        right = _right(lesson, judge.judge(rows, posteriors), settled.thresholds)
        print(f"    {share:.0%} of it: {right:.1%} of {before.right:.1%} old commands", flush=True)
        if before.right - right <= MOST_LOST / 2:
            break
    return share, settled


def _look_before(model: ShadowModel, read: Posteriors, lesson: Lesson, judge: Judge) -> _Before:
    rows = [*lesson.calibration, *lesson.held_out]
    sure = judge.judge(rows, read([row.text for row in rows]))
    return _Before(
        {name: each.clone() for name, each in model.shadow_model.state_dict().items()},
        judge.count_wrong(rows, sure),
        _right(lesson, sure, judge.thresholds),
    )


def _right(lesson: Lesson, sure: Tensor, thresholds: Mapping[str, float]) -> float:
    """Return the share of the calibration split's commands that are right; `sure` begins with its rows."""
    right = [
        decide(each, thresholds)[0] == row.label
        for row, each in zip(lesson.calibration, sure, strict=False)
        if row.label != "REMOTE"
    ]
    return sum(right) / max(1, len(right))


def lay_out(
    lesson: Lesson,
    know: Posteriors,
    stage: Stage,
    seed: int,
) -> list[Example]:
    """Return what is seen, in order, mixed and disturbed by the seed.

    know: gives the posteriors from before, of the very texts that are seen: what a shadow makes of a
    disturbed text is softer than of the row that it was trained on, and is to stay so. New rows come
    again until they are NEW_SHARE of all; their target is their label.
    """
    generator = random.Random(seed)
    augmenter = Augmenter(stage.augmentation, [*lesson.new, *lesson.replayed], seed)
    share = stage.teacher_weight
    whole, part = divmod(stage.epochs, 1)
    replayed = [
        *lesson.replayed * int(whole),
        *generator.sample(lesson.replayed, round(part * len(lesson.replayed))),
    ]
    texts = [augmenter.disturb(row) for row in replayed]
    examples = []
    for row, text, old in zip(replayed, texts, know(texts).tolist(), strict=True):
        mixed = zip(old, hard_target(row.label), strict=True)
        target = tuple(share * a + (1 - share) * b for a, b in mixed)
        examples.append(Example(row, text, target))
    wanted = max(len(lesson.new), round(len(examples) * NEW_SHARE / (1 - NEW_SHARE)))
    for number in range(wanted):
        row = lesson.new[number % len(lesson.new)]
        text = row.text if number < len(lesson.new) else augmenter.disturb(row)
        examples.append(Example(row, text, hard_target(row.label, stage.label_smoothing)))
    return generator.sample(examples, len(examples))


def _refuse_taught(adapter: Path) -> None:
    if read_taught(adapter).skills:
        raise ModelError(
            f"the shadow at {adapter} was taught already; start from the shipped one and name all "
            "the folders at once"
        )


def _refuse_ignored(recipe: Recipe) -> None:
    """Raise ConfigurationError for keys of a recipe that teaching does not read."""
    stage = recipe.stages[0]
    ignored = [
        *written(recipe, ("shadow", "goes_on_from", "low_rank")),
        *(f"stages.{number}" for number in range(1, len(recipe.stages))),
        *(["stages.0.mode"] if stage.mode != "detached" else []),
        *written(stage, ("calibrate", "teacher", "attached", "avoid_loss_weight"), "stages.0."),
        *written(stage.data, ("whole", "answer_repeats"), "stages.0.data."),
    ]
    if ignored:
        raise ConfigurationError(
            f"teaching a skill leaves {', '.join(ignored)} of the recipe without effect; take it out"
        )


def _refuse_folder(recipe: Recipe, adapter: Path, run_directory: Path) -> None:
    """Raise ConfigurationError where a lesson in `run_directory` would delete what is not a lesson's."""
    if adapter.resolve().is_relative_to(run_directory.resolve()):
        raise ConfigurationError(
            f"{run_directory} holds the shadow to go on from, {adapter}, and a lesson begins in an empty "
            "folder; choose another --run"
        )
    if (run_directory / RECIPE_NAME).exists():
        lesson = read_recipe(Recipe, run_directory).name == recipe.name
    else:
        parts = (recipe.stages[0].name, "adapter", LOG_NAME)
        lesson = not any((run_directory / name).exists() for name in parts)
    if not lesson:
        raise ConfigurationError(
            f"{run_directory} holds something else than a lesson of `cloud-server teach`, which alone is "
            "replaced; choose another --run"
        )


def _begin_run(recipe: Recipe, run_directory: Path) -> None:
    """Begin anew: another run's checkpoint would be gone on with, whatever utterances it saw, and its
    second reader exported."""
    run_directory.mkdir(parents=True, exist_ok=True)
    write_recipe(recipe, run_directory)  # first: it says whose the folder is
    for folder in (recipe.stages[0].name, "adapter"):
        shutil.rmtree(run_directory / folder, ignore_errors=True)
    (run_directory / LOG_NAME).unlink(missing_ok=True)
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)


def _old_posteriors(model: ShadowModel, loaded: TrainingBase, texts: Sequence[str]) -> Tensor:
    """Return P(tag) [texts, today's tags] of a shadow that knows the built-in ones alone."""
    known = tag_posteriors(model, loaded.encoder, texts, tags=_OLD_TAGS)
    all_tags = torch.zeros(len(texts), len(TAGS))
    all_tags[:, [TAGS.index(tag) for tag in _OLD_TAGS]] = known
    return all_tags


def _save(
    model: ShadowModel, taught: Sequence[TaughtSkill], lesson: Lesson, run_directory: Path
) -> Path:
    """Save the adapter and what it was taught."""
    made = run_directory / "adapter"
    save_as_shipped(model, made)
    names = {each.name for each in taught}
    words = sorted(
        (row.text for row in (*lesson.new, *lesson.held_out)), key=lambda text: (len(text), text)
    )
    commands = [row.text for row in lesson.new if row.label in names]
    note = Taught(
        skills={each.name: each.entry.tier for each in taught},
        texts=(*commands[:1], *(text for text in words if text != commands[0])),
    )
    (made / TAUGHT_NAME).write_text(note.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return made
