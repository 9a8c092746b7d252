"""A recipe: everything that decides a training run, in TOML; unknown keys fail."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.errors import ConfigurationError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Positive = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ShadowSection(Section):
    """The shadow's sizes and how it starts."""

    layers: Annotated[int, Field(ge=1)] = 4
    start: Literal["base", "random"] = "base"
    rank: int = 16
    gate: int = 10
    alpha: float = 0.5
    dropout: float = 0.0


class DataSection(Section):
    """Files of `datasets/`; `remote_rows` caps the requests without an answer in an epoch."""

    commands: list[str]
    answers: list[str]
    remote: list[str]
    validation: list[str]
    command_rows: int | None = None
    remote_rows: int | None = None
    answer_repeats: int = 1


class Stage(Section):
    """One part of the training. shadow_rate_multiplier: the shadow's share of the learning rate."""

    name: str
    mode: Literal["detached", "joint"]
    epochs: Positive
    batch_rows: Annotated[int, Field(ge=1)]
    learning_rate: Positive
    shadow_rate_multiplier: Annotated[float, Field(ge=0)] = 1.0
    warmup_share: Annotated[float, Field(ge=0, lt=1)] = 0.06
    shadow_loss_weight: Annotated[float, Field(ge=0)] = 1.0
    text_loss_weight: Annotated[float, Field(ge=0)] = 0.0
    avoid_loss_weight: Annotated[float, Field(ge=0)] = 1.0
    data: DataSection


class Recipe(Section):
    """A whole run: profile, shadow, and stages in order."""

    name: str
    profile: str
    seed: int = 0
    bf16: bool = True
    threads: int | None = None
    shadow: ShadowSection = ShadowSection()
    stages: Annotated[list[Stage], Field(min_length=1)]


def load_recipe(path: Path) -> Recipe:
    """Return the recipe of a TOML file; ConfigurationError names every wrong or unknown key."""
    try:
        return Recipe.model_validate(read_toml(path))
    except ValidationError as error:
        raise ConfigurationError(f"recipe {path} is wrong: {error}") from error


def read_toml(path: Path) -> dict[str, Any]:
    """Return what a TOML file holds; ConfigurationError where it cannot be read or is no TOML."""
    try:
        raw: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return raw
    except OSError as error:
        raise ConfigurationError(f"recipe {path} cannot be read: {error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"recipe {path} is wrong: {error}") from error
