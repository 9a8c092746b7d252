"""A pretraining's recipe: everything that decides its weights, in TOML; unknown keys fail."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from cloud_server.training.recipe import Positive, Section
from shared.errors import ConfigurationError
from shared.toml_file import read_toml

Count = Annotated[int, Field(ge=1)]


class TextSection(Section):
    """What is read. files: text files or folders. separator: a line that ends a document within a
    file (a .jsonl file has one document a line, in its "text"). end_token: what ends a document;
    without it the base's own end of text. Blocks are of `block_tokens`; `held_out_blocks` of them
    are never trained on and measure the loss."""

    files: Annotated[list[Path], Field(min_length=1)]
    separator: str | None = None
    end_token: str | None = None
    block_tokens: Annotated[int, Field(ge=2)] = 512
    held_out_blocks: Annotated[int, Field(ge=0)] = 16


class ScheduleSection(Section):
    """How long and how fast. A step takes `batch_blocks` · `accumulation` blocks; `steps`, where
    given, count instead of `epochs`. The rate warms up, then falls along a cosine."""

    steps: Count | None = None
    epochs: Positive = 1.0
    batch_blocks: Count = 8
    accumulation: Count = 1
    learning_rate: Positive = 3e-4
    warmup_share: Annotated[float, Field(ge=0, lt=1)] = 0.02
    weight_decay: Annotated[float, Field(ge=0)] = 0.01


class RecordSection(Section):
    """What is kept, in steps between: checkpoints (the newest `keep_checkpoints` stay), log lines,
    measurements on the blocks held out."""

    save_steps: Count = 200
    keep_checkpoints: Count = 2
    log_steps: Count = 10
    evaluate_steps: Count = 100


class PretrainingRecipe(Section):
    """base, shadow: transformers directories of one vocabulary. start: the projection by eq. 12
    ("warm") or drawn at random. bf16: autocast while training, where the machine has it. weights: the saved number format.
    train_embeddings: the shadow's own input embeddings learn too."""

    base: Path
    shadow: Path
    start: Literal["warm", "random"] = "warm"
    seed: int = 0
    bf16: bool = False
    weights: Literal["bf16", "fp32"] = "bf16"
    threads: Count | None = None
    train_embeddings: bool = False
    gradient_checkpointing: bool = False
    text: TextSection
    schedule: ScheduleSection = ScheduleSection()
    record: RecordSection = RecordSection()


def resolve_recipe(path: Path | None, overrides: dict[str, Any]) -> PretrainingRecipe:
    """Return the recipe of a TOML file (or of none), with `overrides` put over it.

    An override's name is a dotted path such as `text.files`; None leaves the file's word.
    ConfigurationError names every wrong, unknown or missing key.
    """
    raw = read_toml(path, "recipe") if path else {}
    for name, value in overrides.items():
        if value is None:
            continue
        section, *parts = name.split(".")
        inner = raw if not parts else raw.setdefault(section, {})
        inner[parts[0] if parts else section] = value
    try:
        return PretrainingRecipe.model_validate(raw)
    except ValidationError as error:
        raise ConfigurationError(f"the pretraining's recipe is wrong: {error}") from error
