"""`cloud-server train-reader`: a second reader is fitted, weighed against its shadow (`pool.py`), and put beside it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from cloud_server.adapter_files import (
    SECOND_READER_CHANGE_NAME,
    SECOND_READER_NAME,
    SECOND_READING_NAME,
    read_second_reading,
)
from cloud_server.modeling import ShadowModel
from cloud_server.training.augmentation import Augmenter
from cloud_server.training.base import load_training_base
from cloud_server.training.data import read_files
from cloud_server.training.pool import save_reading, weigh_reader
from cloud_server.training.posterior import Posteriors, reading
from cloud_server.training.second_reader import Reader, ReaderRecipe, fit, lay_out
from shared.bundle import SecondReading


def train_reader(
    recipe: ReaderRecipe, profile: str, adapter: Path, datasets: Path, no_looser: bool = False
) -> dict[str, Any]:
    """Fit the reader, weigh it against the adapter's shadow, put both beside it; return figures.

    no_looser: see `weigh_again`.
    """
    rows = [
        row for row in read_files(datasets, [*recipe.commands, *recipe.remote]) if not row.history
    ]
    augmenter = Augmenter(recipe.augmentation, rows, recipe.seed)
    reader = fit(recipe, *lay_out(rows, augmenter))
    return renew(reader.save, recipe, profile, adapter, datasets, no_looser)


def renew(
    write: Callable[[Path], None],
    recipe: ReaderRecipe,
    profile: str,
    adapter: Path,
    datasets: Path,
    no_looser: bool = False,
) -> dict[str, Any]:
    """Let `write` put a reader, or what it learnt, into a copy of the adapter's folder, weigh it there
    and move both beside the adapter; return figures.

    no_looser: see `weigh_again`. Until then the adapter is as it was: thresholds are certified for the reader that they were chosen with.
    """
    with TemporaryDirectory(prefix=f".{adapter.name}-", dir=adapter.resolve().parent) as folder:
        made = Path(folder)
        shutil.copytree(adapter, made, dirs_exist_ok=True)
        write(made)
        figures = weigh_again(recipe, profile, made, datasets, no_looser)
        _move(made, adapter)
    return figures


def _move(made: Path, adapter: Path) -> None:
    """Move reader, change and how they are weighed; in between a folder is refused, not read wrongly."""
    (adapter / SECOND_READING_NAME).unlink(missing_ok=True)
    for name in (SECOND_READER_NAME, SECOND_READER_CHANGE_NAME):
        if (made / name).exists():
            (made / name).replace(adapter / name)
        else:
            (adapter / name).unlink(missing_ok=True)
    (made / SECOND_READING_NAME).replace(adapter / SECOND_READING_NAME)


def weigh_again(
    recipe: ReaderRecipe, profile: str, adapter: Path, datasets: Path, no_looser: bool = False
) -> dict[str, Any]:
    """Weigh the reader beside an adapter against its shadow and write how, thresholds too; return figures.

    no_looser: the weighing that is there is the one in use (`weigh_reader`).
    """
    reader = Reader.load(adapter)
    loaded = load_training_base(profile, torch.float32)
    model = ShadowModel.from_pretrained(loaded.model, adapter)
    read = reading(model, loaded.encoder)
    in_use = read_second_reading(adapter) if no_looser else None
    figures = weigh_beside(
        adapter, reader, read, datasets, recipe.validation, recipe.calibration, in_use
    )
    return {"keys": len(reader.keys), **figures}


def weigh_beside(
    adapter: Path,
    reader: Reader,
    read: Posteriors,
    datasets: Path,
    validation: list[str],
    calibration: list[str],
    in_use: SecondReading | None = None,
) -> dict[str, Any]:
    """Weigh an adapter's reader against the shadow that `read`s, by rows of these files, and write how; return figures.

    in_use: see `weigh_reader`.
    """
    weighed, figures = weigh_reader(
        reader.scores,
        read,
        read_files(datasets, validation),
        read_files(datasets, calibration),
        in_use,
    )
    save_reading(weighed, adapter)
    return figures
