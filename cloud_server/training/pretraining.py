"""`cloud-server pretrain-shadow`: a small pretrained model becomes the shadow of a larger base.

ShadowPEFT appendix B: the small model's states are led into the base's hidden space (eq. 11), P
starts at eq. 12 or at random, and both are trained further on text under the base's frozen head.
"""

import json
import math
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cloud_server.modeling.projected import ProjectedShadow
from cloud_server.training.corpus import MANIFEST_NAME, Blocks, hold_out, lay_out, open_corpus
from cloud_server.training.plots import plot_log
from cloud_server.training.pretrainer import NextTokenLoss, run_pretraining
from cloud_server.training.pretraining_models import (
    TOKENIZER_NAME,
    PretrainingModels,
    Start,
    load_models,
    make_projection,
)
from cloud_server.training.pretraining_recipe import PretrainingRecipe
from cloud_server.training.recipe import RECIPE_NAME, refuse_other_recipe, write_recipe
from cloud_server.training.text_files import find_files
from cloud_server.training.trainer import LOG_NAME
from shared.errors import ConfigurationError

SHADOW_NAME = "shadow"
FIGURES_NAME = "pretraining.json"


def pretrain(recipe: PretrainingRecipe, run_directory: Path, *, resume: bool = False) -> Path:
    """Run the recipe in `run_directory` and return the projected shadow's directory in it.

    resume: go on with what is there; the weights come out as those of a run that was never
    interrupted. ConfigurationError where a run is there and `resume` is not said, or where recipe or
    text have changed since. DataError names the file, and the line, of what is wrong in a text.
    """
    if (run_directory / RECIPE_NAME).exists() and not resume:
        raise ConfigurationError(
            f"{run_directory} holds a pretraining; say --resume to go on with it, or name another --out"
        )
    refuse_other_recipe(recipe, run_directory)
    files = find_files(recipe.text.files)
    finished = run_directory / SHADOW_NAME
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    models = load_models(recipe)
    training, held_out = open_blocks(recipe, models, files, run_directory)
    write_recipe(recipe, run_directory)
    if (finished / FIGURES_NAME).exists():
        return finished
    projection, start = make_projection(models, recipe)
    model = make_objective(models, projection, recipe)
    run_pretraining(model, training, held_out, recipe, run_directory)
    _finish(model, recipe, start, run_directory)
    return finished


def open_blocks(
    recipe: PretrainingRecipe, models: PretrainingModels, files: list[Path], run_directory: Path
) -> tuple[Blocks, Blocks]:
    """Return the blocks to train on, laid out in the order of the run, and those held out."""
    tokens = open_corpus(files, models.encoding, run_directory)
    size, schedule = recipe.text.block_tokens, recipe.schedule
    learnt, kept = hold_out(tokens, size, recipe.text.held_out_blocks, recipe.seed)
    step_blocks = schedule.batch_blocks * schedule.accumulation
    steps = schedule.steps or math.ceil(len(learnt) * schedule.epochs / step_blocks)
    order = lay_out(learnt, steps * step_blocks, recipe.seed)
    return Blocks(tokens, size, order), Blocks(tokens, size, kept)


def make_objective(
    models: PretrainingModels, projection: nn.Linear, recipe: PretrainingRecipe
) -> NextTokenLoss:
    """Return the shadow and its projection, ready to learn; the base's head stays frozen."""
    shadow: Any = models.shadow.base_model
    if recipe.gradient_checkpointing:
        shadow.gradient_checkpointing_enable()
    shadow.get_input_embeddings().requires_grad_(recipe.train_embeddings)
    return NextTokenLoss(shadow, projection, models.head, models.base_config)


def _finish(
    model: NextTokenLoss, recipe: PretrainingRecipe, start: Start, run_directory: Path
) -> None:
    """Write the projected shadow with its tokenizer, then the plot and the figures, last."""
    finished = run_directory / SHADOW_NAME
    shadow = ProjectedShadow.wrap(model.shadow_model, model.shadow_hidden_projection, model.head)
    if recipe.weights == "bf16":
        shadow.to(torch.bfloat16)  # type: ignore[arg-type]
    shadow.save_pretrained(finished)
    shutil.copyfile(recipe.base / TOKENIZER_NAME, finished / TOKENIZER_NAME)
    log = run_directory / LOG_NAME
    plot_log(log, finished / "loss.png")
    figures = pretraining_figures(log, recipe, start, run_directory)
    text = json.dumps(figures, indent=2) + "\n"
    (finished / FIGURES_NAME).write_text(text, encoding="utf-8")
    print(text, end="", flush=True)


def pretraining_figures(
    log: Path, recipe: PretrainingRecipe, start: Start, run_directory: Path
) -> dict[str, Any]:
    """Return what a run came to: its start, its text, and the losses held out, in nats a token."""
    entries = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    held_out = [
        (each["step"], each["loss_held_out"]) for each in entries if "loss_held_out" in each
    ]
    text = json.loads((run_directory / MANIFEST_NAME).read_text(encoding="utf-8"))
    return {
        "projection": asdict(start),
        "seed": recipe.seed,
        "steps": max(each["step"] for each in entries),
        "text_files": len(text["files"]),
        "text_tokens": sum(each["tokens"] for each in text["files"]),
        "held_out_loss": {"first": held_out[0], "last": held_out[-1]} if held_out else None,
    }
