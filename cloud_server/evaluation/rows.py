"""The rows that systems are measured on, in the groups that the figures are about."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cloud_server.training.data import Row, read_rows
from shared.errors import DataError
from shared.predictions import data_marks, read_predictions

TESTS = ("test_normal", "test_remote", "test_remote_extra", "test_extra")
"""Nothing is trained or calibrated on them; the page says which rules were settled with an eye on them."""

CALIBRATION = "calibration"
TABLE_3 = "table3_inputs"


@dataclass(frozen=True)
class Group:
    """Some of the test rows, by what they are called on the page."""

    name: str
    holds: Callable[[Row, str], bool]
    """Whether a row, of the file that is named, belongs to it."""


COMMANDS = (
    Group("test_normal", lambda row, file: file == "test_normal"),
    Group("test_extra", lambda row, file: file == "test_extra" and row.label != "REMOTE"),
)
OUT_OF_SCOPE = (
    Group("general requests", lambda row, file: row.kind == "request"),
    Group("near-misses", lambda row, file: row.kind == "near_miss"),
    Group("motions that are no skill", lambda row, file: row.kind == "motion"),
)


@dataclass(frozen=True)
class Sample:
    """A row with the stem of the file that it stands in."""

    row: Row
    file: str


def read_samples(datasets: Path, table_3: Path) -> list[Sample]:
    """Return all rows that predictions are asked about; `table_3` holds the paper's ten inputs."""
    files = [*(datasets / f"{name}.jsonl" for name in (*TESTS, CALIBRATION)), table_3]
    return [Sample(row, path.stem) for path in files for row in read_rows(path)]


def check_predictions(path: Path, datasets: Path, table_3: Path, samples: list[Sample]) -> None:
    """DataError where a file of predictions was made of other rows, or lacks some of a test's."""
    about, found = read_predictions(path)
    for name, mark in about.get("data", {}).items():
        data = table_3 if name == table_3.stem else datasets / f"{name}.jsonl"
        if data.is_file() and data_marks([data])[name] != mark:
            raise DataError(f"{path} was made of another {data}; predict again")
    missing = [each.row.id for each in samples if each.file in TESTS and each.row.id not in found]
    if missing:
        raise DataError(f"{path} lacks {len(missing)} rows of the tests ({missing[0]}, ...)")
