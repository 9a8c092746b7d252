"""Rows of `datasets/`: read, checked, and drawn for a recipe."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.errors import DataError
from shared.prompt import Turn
from shared.report import read_json_lines
from shared.skills import SKILL_NAMES
from shared.tags import TAGS, print_tag


class HistoryTurn(BaseModel):
    """One earlier line of a row's conversation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Literal["user", "dog"]
    text: Annotated[str, Field(min_length=1)]


class Row(BaseModel):
    """One labelled utterance; `answer` is the reply that the attached model should give.

    `history`: what was said before it; the row belongs to attached training alone, since the edge
    decides an utterance by itself.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    text: Annotated[str, Field(min_length=1)]
    lang: Literal["en", "zh"]
    label: str
    source: str
    license: str
    synthetic: bool
    kind: Literal["request", "near_miss", "motion"] | None = None
    near: str | None = None
    origin: str | None = None
    answer: str | None = None
    history: tuple[HistoryTurn, ...] = ()

    @property
    def turns(self) -> list[Turn]:
        """The history as prompts are made of it."""
        return [Turn(each.role, each.text) for each in self.history]


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a JSON Lines file; DataError names the first wrong line. Empty ones are skipped."""
    rows = []
    for where, value in read_json_lines(path):
        try:
            row = Row.model_validate(value)
        except ValidationError as error:
            raise DataError(f"{where}: no row of a dataset: {error}") from error
        if row.label != "REMOTE" and row.label not in SKILL_NAMES:
            raise DataError(f"{where}: the label {row.label!r} is no skill")
        rows.append(row)
    return rows


def draw(rows: Sequence[Row], most: int | None, seed: int) -> list[Row]:
    """Return at most `most` rows (None: all), drawn by `seed`, each as likely: of every file and kind its share."""
    if most is None or len(rows) <= most:
        return list(rows)
    return random.Random(seed).sample(list(rows), most)


@dataclass(frozen=True)
class Example:
    """A row as it is learnt: its text, perhaps disturbed, and the posterior wanted of the shadow.

    target: a probability for each of `TAGS`, in their order. attached: the base learns its answer
    instead, within a stage that is else detached.
    """

    row: Row
    text: str
    target: tuple[float, ...]
    attached: bool = False


def hard_target(label: str, smoothing: float = 0.0) -> tuple[float, ...]:
    """Return a posterior with all but `smoothing` on the label and the rest spread over all tags."""
    rest = smoothing / len(TAGS)
    wanted = print_tag(label)
    return tuple(rest + (1 - smoothing if tag == wanted else 0.0) for tag in TAGS)


def read_files(directory: Path, names: Iterable[str]) -> list[Row]:
    """Return the rows of several files of `directory`, in order."""
    return [row for name in names for row in read_rows(directory / name)]
