"""A recipe: everything that decides a training run, in TOML; unknown keys fail."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared.errors import ConfigurationError
from shared.toml_file import read_toml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

RECIPE_NAME = "recipe.json"
"""The resolved recipe in a run's folder."""
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Made = TypeVar("Made", bound=Section)
_SHADOW_ALONE = (
    "shadow_rate_multiplier",
    "change_rank",
    "shadow_loss_weight",
    "label_smoothing",
    "calibrate",
    "teacher",
    "teacher_weight",
    "attached",
)
"""A stage's keys that mean nothing where there is no shadow."""


class ShadowSection(Section):
    """The shadow's sizes and how it starts; without `update` s stays s(0), the paper's ablation."""

    layers: Annotated[int, Field(ge=1)] = 4
    start: Literal["base", "random"] = "base"
    rank: int = 16
    gate: int = 10
    alpha: float = 0.5
    dropout: float = 0.0
    update: bool = True


class LowRankSection(Section):
    """LoRA or DoRA instead of a shadow, on every linear layer of the base's decoder."""

    method: Literal["lora", "dora"]
    rank: Annotated[int, Field(ge=1)]
    dropout: Share = 0.05


class Augmentation(Section):
    """The share of texts that each disturbance of `augmentation.py` falls on."""

    recogniser: Share = 0.0
    wake: Share = 0.0
    filler: Share = 0.0
    ending: Share = 0.0
    typo: Share = 0.0
    homophone: Share = 0.0
    traditional: Share = 0.0
    capitals: Share = 0.0
    mark: Share = 0.0


class DataSection(Section):
    """Files of `datasets/`; `remote_rows` caps the requests without an answer in an epoch.

    whole: files that no cap falls on, with how often an epoch has each of their rows.
    """

    commands: list[str]
    answers: list[str]
    remote: list[str]
    validation: list[str]
    calibration: list[str] = []
    command_rows: int | None = None
    remote_rows: int | None = None
    answer_repeats: int = 1
    whole: dict[str, Annotated[int, Field(ge=1)]] = {}

    @property
    def chosen_on(self) -> list[str]:
        """The files whose rows choose thresholds."""
        return self.calibration or self.validation


class AttachedBatches(Section):
    """Every `every`th batch of a detached stage is one of these rows, which the base has to answer
    through the shadow: what stands beside the shadow learns nothing, the shadow is to suit it still."""

    every: Annotated[int, Field(ge=2)]
    data: DataSection


class Stage(Section):
    """One part of the training. shadow_rate_multiplier: the shadow's share of the learning rate.

    change_rank: the shadow's matrices learn a change of this rank alone, at the whole rate, all else of it
    nothing (`thin.py`).

    calibrate: fit a temperature on the calibration rows when the stage is done and keep it.
    teacher: a file of soft targets (`soft_targets.py`) that the label is mixed with by teacher_weight.
    """

    name: str
    mode: Literal["detached", "joint"]
    epochs: Positive
    batch_rows: Annotated[int, Field(ge=1)]
    learning_rate: Positive
    shadow_rate_multiplier: Annotated[float, Field(ge=0)] = 1.0
    change_rank: Annotated[int, Field(ge=1)] | None = None
    warmup_share: Annotated[float, Field(ge=0, lt=1)] = 0.06
    shadow_loss_weight: Annotated[float, Field(ge=0)] = 1.0
    avoid_loss_weight: Annotated[float, Field(ge=0)] = 1.0
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    label_smoothing: Share = 0.0
    calibrate: bool = False
    teacher: str | None = None
    teacher_weight: Share = 0.9
    augmentation: Augmentation = Augmentation()
    data: DataSection
    attached: AttachedBatches | None = None

    @model_validator(mode="after")
    def _refuse_calibration_on_nothing(self) -> "Stage":
        if self.calibrate and not self.data.calibration:
            raise ValueError("calibrate = true needs data.calibration, the files to calibrate on")
        return self

    @model_validator(mode="after")
    def _refuse_rate_of_a_change(self) -> "Stage":
        if self.change_rank and self.shadow_rate_multiplier != 1:
            raise ValueError(
                "change_rank learns at the whole learning_rate, so that shadow_rate_multiplier is "
                "without effect; take one of the two out"
            )
        return self


class Recipe(Section):
    """A whole run: profile, shadow (or `low_rank` in its stead), and stages in order.

    goes_on_from: the folder of a trained shadow to begin with, instead of a new one; its sizes are
    that shadow's.
    """

    name: str
    profile: str
    seed: int = 0
    bf16: bool = True
    threads: int | None = None
    save_steps: Annotated[int, Field(ge=1)] = 200
    shadow: ShadowSection = ShadowSection()
    goes_on_from: Path | None = None
    low_rank: LowRankSection | None = None
    stages: Annotated[list[Stage], Field(min_length=1)]


def load_recipe(path: Path, changes: Sequence[str] = ()) -> Recipe:
    """Return the recipe of a TOML file; ConfigurationError names every wrong or unknown key.

    changes: `dotted.key=value` in TOML, set over the file's; a list's entries go by number
    (`stages.0.epochs=2`). What is written there and read by nothing is refused, too.
    """
    raw = read_toml(path, "recipe")
    for change in changes:
        set_value(raw, change)
    try:
        recipe = Recipe.model_validate(raw)
    except ValidationError as error:
        raise ConfigurationError(f"recipe {path} is wrong: {error}") from error
    _refuse_ignored(recipe, path)
    return recipe


def _refuse_ignored(recipe: Recipe, path: Path) -> None:
    """Raise ConfigurationError for keys that `low_rank` or `goes_on_from` leave without effect.

    Only keys that were written count, so that this is no validator: a run's recipe.json has all of them.
    """
    ignored = written(recipe.shadow, ShadowSection.model_fields, "shadow.")
    cause = "goes_on_from"
    if recipe.low_rank:
        cause = "low_rank"
        ignored += written(recipe, ["goes_on_from"])
        for number, stage in enumerate(recipe.stages):
            ignored += written(stage, _SHADOW_ALONE, f"stages.{number}.")
    elif not recipe.goes_on_from:
        return
    if ignored:
        raise ConfigurationError(
            f"recipe {path} is wrong: {cause} leaves {', '.join(ignored)} without effect; take it out"
        )


def written(section: Section, keys: Iterable[str], place: str = "") -> list[str]:
    """Return those of a section's keys that its file or a change wrote, default or not, dotted."""
    return [f"{place}{key}" for key in keys if key in section.model_fields_set]


def read_recipe(kind: type[Made], run_directory: Path) -> Made:
    """Return the recipe that a run was begun with; ConfigurationError where there is none that can be read."""
    path = run_directory / RECIPE_NAME
    try:
        return kind.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ConfigurationError(f"{path} is no recipe that can be read: {error}") from error


def refuse_other_recipe(recipe: Section, run_directory: Path) -> None:
    """Raise ConfigurationError where the run was begun with another recipe; `threads` may differ."""
    if not (run_directory / RECIPE_NAME).exists():
        return
    was = read_recipe(type(recipe), run_directory).model_dump(mode="json")
    changed = [key for key in _differing(was, recipe.model_dump(mode="json")) if key != "threads"]
    if changed:
        raise ConfigurationError(
            f"{run_directory} was begun with another recipe ({', '.join(changed)} differ); "
            "choose another --out, or remove the folder"
        )


def write_recipe(recipe: Section, run_directory: Path) -> None:
    """Write the resolved recipe beside its result."""
    text = recipe.model_dump_json(indent=2) + "\n"
    (run_directory / RECIPE_NAME).write_text(text, encoding="utf-8")


def _differing(was: Any, now: Any, place: str = "") -> list[str]:
    """Return the dotted keys in which two JSON values differ."""
    if isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        was, now = dict(enumerate(was)), dict(enumerate(now))
    if not (isinstance(was, dict) and isinstance(now, dict)):
        return [] if was == now else [place]
    return [
        found
        for key in {**was, **now}
        for found in _differing(was.get(key), now.get(key), f"{place}.{key}".lstrip("."))
    ]


def set_value(raw: dict[str, Any], change: str) -> None:
    """Set one value of a read recipe; ConfigurationError where the change names no place in it."""
    key, _, text = change.partition("=")
    *path, last = key.strip().split(".")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
        place: Any = raw
        for step in path:
            place = place[int(step)] if isinstance(place, list) else place.setdefault(step, {})
        place[int(last) if isinstance(place, list) else last] = value
    except (tomllib.TOMLDecodeError, LookupError, ValueError, TypeError) as error:
        raise ConfigurationError(
            f"{change!r} changes nothing of the recipe ({error}); write dotted.key=value, texts in quotes"
        ) from error
