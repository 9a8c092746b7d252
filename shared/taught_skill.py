"""A taught skill: what its folder's `skill.toml` says, read and checked once when a process starts.

The catalogue's part is the same on edge and cloud. The movement is only checked for its form here;
its limits are the driver's (`edge_agent/robot/taught_choreography.py`), which alone can obey it.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from typing_extensions import Self

from shared.errors import ConfigurationError
from shared.skills import Skill, Tier, add_skill
from shared.text import guess_language
from shared.toml_file import read_toml

SKILL_FILE = "skill.toml"
UTTERANCES_FILE = "utterances.jsonl"
TaughtTier = Literal[1, 2, 3]
"""Tier 0 is for what makes the dog safe and passes the gate by; no taught skill does."""
Words = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\[\]<>\n]+$")]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class HoldForm(_Form):
    """Tilt the torso over standing feet."""

    roll_rad: float = 0.0
    pitch_rad: float = 0.0
    yaw_rad: float = 0.0
    seconds: float


class DriveForm(_Form):
    """Walk at a velocity in the dog's own frame."""

    vx_m_s: float = 0.0
    vy_m_s: float = 0.0
    vyaw_rad_s: float = 0.0
    seconds: float


class TurnForm(_Form):
    """Turn by the robot's own heading; left is positive."""

    angle_rad: float
    speed_rad_s: float = 0.8


class StepForm(_Form):
    """One step: exactly one of its keys is given. call: a call of the SDK by name; wait: seconds."""

    call: str | None = None
    hold: HoldForm | None = None
    drive: DriveForm | None = None
    turn: TurnForm | None = None
    wait: float | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError("a step is exactly one of call, hold, drive, turn, wait")
        return self


class MovementForm(_Form):
    """What the dog does, from standing in balance. duration_s: what it is expected to take."""

    duration_s: float
    space_m: float = 0.0
    steps: Annotated[tuple[StepForm, ...], Field(min_length=1)]


class TaughtSkill(_Form):
    """What `skill.toml` says.

    claims: words of this skill. Requests of the default data in which one occurs were no skill
    before and are set aside when it is taught.
    """

    name: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9]{1,31}$")]
    tier: TaughtTier
    english: Words
    chinese: Words
    say_english: Words
    say_chinese: Words
    claims: tuple[Annotated[str, Field(min_length=2)], ...] = ()
    movement: MovementForm

    @field_validator("name")
    @classmethod
    def _is_no_other_tag(cls, name: str) -> str:
        if name.upper() == "REMOTE":
            raise ValueError("REMOTE is what is no skill")
        return name

    @field_validator("chinese", "say_chinese")
    @classmethod
    def _is_chinese(cls, words: str) -> str:
        if guess_language(words) != "zh":
            raise ValueError("is not Chinese")
        return words

    @field_validator("english", "say_english")
    @classmethod
    def _is_english(cls, words: str) -> str:
        if guess_language(words) != "en":
            raise ValueError("is not English")
        return words

    @property
    def entry(self) -> Skill:
        """The skill's entry in the catalogue."""
        return Skill(
            self.name,
            Tier(self.tier),
            self.english,
            self.chinese,
            self.say_english,
            self.say_chinese,
        )

    def claims_text(self, text: str) -> bool:
        """Return whether one of the skill's words occurs in `text`."""
        return any(word.lower() in text.lower() for word in self.claims)


def read_taught_skill(folder: Path) -> TaughtSkill:
    """Return the skill of a folder; ConfigurationError names every key that is missing or wrong."""
    path = folder / SKILL_FILE
    try:
        return TaughtSkill.model_validate(read_toml(path, "taught skill"))
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in each['loc']) or 'skill'}: "
            f"{each['msg'].removeprefix('Value error, ')}"
            for each in error.errors()
        )
        raise ConfigurationError(f"taught skill {path} is wrong: {wrong}") from error


def split_folders(value: str) -> tuple[Path, ...]:
    """Return the folders of a setting: paths with the system's separator between them, as in PATH."""
    return tuple(
        Path(each.strip()).expanduser() for each in value.split(os.pathsep) if each.strip()
    )


def learn_skills(folders: Sequence[Path]) -> list[TaughtSkill]:
    """Read taught skills and add them to this process's catalogue; ConfigurationError as it says."""
    read = [read_taught_skill(folder) for folder in folders]
    for each in read:
        add_skill(each.entry)
    return read
