"""The files of an adapter's folder: their names, their hash, the thresholds; needs no torch."""

import hashlib
import json
import math
import re
import struct
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.bundle import SecondReading, file_sha256, text_sha256
from shared.errors import CheckpointMismatch, ModelError
from shared.skills import Tier

CONFIG_NAME = "shadow_config.json"
ADAPTER_NAME = "shadow_adapter.safetensors"
_CHANGE_STEM = "shadow_change"
CHANGE_NAME = f"{_CHANGE_STEM}.safetensors.xz"
_CHANGE_FILE = re.compile(rf"{_CHANGE_STEM}(?:_(\d+))?\.safetensors(?:\.xz)?")
MODULES_NAME = "shadow_modules.safetensors"
FORM_NAME = "shadow_form.json"
THRESHOLDS_NAME = "thresholds.json"
CALIBRATION_NAME = "calibration.json"
FIGURES_NAME = "figures.json"
LINE_HEAD_NAME = "line_head.safetensors"
LINE_HEAD_CHANGE_NAME = "line_head_change.safetensors.xz"
SECOND_READER_NAME = "second_reader.npz"
SECOND_READER_CHANGE_NAME = "second_reader_change.tsv"
SECOND_READING_NAME = "second_reading.json"
LOW_RANK_NAME = "adapter_model.safetensors"
TAUGHT_NAME = "taught.json"


LEAST_PROBABILITY = {"0": 0.01, "1": 0.03, "2": 0.03, "3": 0.95}
"""What the shadow's own probability has to reach by tier where a second reader is asked as well.

The shadow has to hold it possible at least, a stop less than a motion; in tier 3 it has to be nearly certain by itself.
"""


class Taught(BaseModel):
    """What a shadow was taught beyond the built-in skills: names with tiers, and in which words."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    skills: dict[str, Tier] = {}
    texts: tuple[str, ...] = ()


def adapter_sha256(directory: Path) -> str:
    """Return one hash over the adapter's configuration and tensors; ModelError where one is missing.

    Changes, trained heads and the form count where the adapter has them.
    """
    more = [directory / name for name in (MODULES_NAME, FORM_NAME) if (directory / name).exists()]
    always = [directory / name for name in (CONFIG_NAME, ADAPTER_NAME)]
    try:
        hashes = [file_sha256(path) for path in (*always, *change_files(directory), *more)]
    except OSError as error:
        raise ModelError(f"{directory} is no shadow adapter ({error})") from error
    return hashlib.sha256("".join(hashes).encode()).hexdigest()


def change_files(directory: Path) -> list[Path]:
    """Return the changes beside an adapter, in their order: each changes what those before it made."""
    found = [
        (_CHANGE_FILE.fullmatch(path.name), path) for path in directory.glob(f"{_CHANGE_STEM}*")
    ]
    return [
        path for _, path in sorted((int(match[1] or 1), path) for match, path in found if match)
    ]


def next_change_file(directory: Path) -> Path:
    """Return where a further change of an adapter belongs: `shadow_change_2.safetensors.xz` is the second."""
    number = len(change_files(directory)) + 1
    return directory / (CHANGE_NAME if number == 1 else f"{_CHANGE_STEM}_{number}.safetensors.xz")


def read_temperature(directory: Path) -> float:
    """Return the temperature that calibration folded into an adapter; ModelError where none is known."""
    path = directory / CALIBRATION_NAME
    try:
        temperature: float = json.loads(path.read_text(encoding="utf-8"))["temperature"]
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{path} cannot be read; the adapter was not calibrated") from error
    return temperature


def trained_parameters(directory: Path) -> dict[str, int]:
    """Return how many numbers an adapter holds by its modules' first names; ModelError without one.

    The headers alone are read: of a shadow's files, or of the one that peft writes.
    """
    counted: dict[str, int] = {}
    for path in (directory / name for name in (ADAPTER_NAME, MODULES_NAME, LOW_RANK_NAME)):
        if not path.is_file():
            continue
        with path.open("rb") as stream:
            header = json.loads(stream.read(struct.unpack("<Q", stream.read(8))[0]))
        for name, tensor in header.items():
            if name != "__metadata__":
                part = name.split(".")[0]
                counted[part] = counted.get(part, 0) + math.prod(tensor["shape"])
    if not counted:
        raise ModelError(f"{directory} holds no adapter")
    return counted


def line_head_sha256(directory: Path) -> str | None:
    """Return the hash of the line head beside an adapter, None where there is none.

    A change of it names the head that it changes, so that its hash stands for both.
    """
    changed = _sha256_if_there(directory / LINE_HEAD_CHANGE_NAME)
    return changed or _sha256_if_there(directory / LINE_HEAD_NAME)


def second_reader_sha256(directory: Path) -> str | None:
    """Return the hash of the second reader beside an adapter, with its change; None where there is none."""
    reader = _sha256_if_there(directory / SECOND_READER_NAME)
    change = _sha256_if_there(directory / SECOND_READER_CHANGE_NAME)
    return text_sha256(reader + change) if reader and change else reader


def _sha256_if_there(path: Path) -> str | None:
    return file_sha256(path) if path.is_file() else None


def read_second_reading(directory: Path) -> SecondReading | None:
    """Return how the second reader beside an adapter is weighed, None where there is no reader."""
    path = directory / SECOND_READING_NAME
    if not (directory / SECOND_READER_NAME).is_file():
        return None
    try:
        return SecondReading.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ModelError(
            f"{path} cannot be read ({error}); train the second reader again"
        ) from error


def read_edge_thresholds(directory: Path) -> dict[str, float]:
    """Return what an edge asks of the shadow's probability, by tier: less where it reads not alone."""
    if read_second_reading(directory) is None:
        return read_thresholds(directory)
    return LEAST_PROBABILITY


def read_object(path: Path) -> dict[str, Any]:
    """Return the object in an adapter's JSON file; CheckpointMismatch where there is none."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointMismatch(f"{path} cannot be read ({error})") from error
    if not isinstance(raw, dict):
        raise CheckpointMismatch(f"{path} holds no JSON object")
    return raw


def read_thresholds(directory: Path) -> dict[str, float]:
    """Return the thresholds saved beside an adapter; ModelError where there are none."""
    path = directory / THRESHOLDS_NAME
    try:
        thresholds: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
        numbers = [float(thresholds[tier]) for tier in ("0", "1", "2", "3")]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} cannot be read; train the shadow again") from error
    if not all(0 <= number <= 1 for number in numbers):  # refuses NaN too
        raise ModelError(f"{path} holds a threshold that is no probability; train the shadow again")
    return thresholds


def read_taught(directory: Path) -> Taught:
    """Return what `cloud-server teach` noted beside an adapter; nothing where it never ran."""
    path = directory / TAUGHT_NAME
    try:
        return Taught.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Taught()
    except (OSError, ValidationError) as error:
        raise ModelError(f"{path} cannot be read ({error}); teach the skill again") from error
