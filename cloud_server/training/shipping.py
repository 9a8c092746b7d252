"""`cloud-server ship-change`: a trained shadow into a shipped one's place, as a change of its file."""

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import save_file

from cloud_server.adapter_files import (
    ADAPTER_NAME,
    CALIBRATION_NAME,
    FIGURES_NAME,
    SECOND_READING_NAME,
    THRESHOLDS_NAME,
    adapter_sha256,
    change_files,
    next_change_file,
    read_second_reading,
    read_temperature,
    read_thresholds,
)
from cloud_server.modeling import ShadowModel
from cloud_server.modeling.change import Change, Tensors, part_way
from cloud_server.modeling.checkpoint import read_adapter
from cloud_server.training.base import TrainingBase, load_training_base
from cloud_server.training.data import read_files
from cloud_server.training.posterior import reading
from cloud_server.training.reader_training import weigh_beside
from cloud_server.training.recipe import RECIPE_NAME, Recipe, read_recipe
from cloud_server.training.run_inputs import INPUTS_NAME, read_inputs
from cloud_server.training.second_reader import Reader
from cloud_server.training.train import calibrate, save_as_shipped, write_thresholds
from shared.bundle import file_sha256
from shared.errors import ConfigurationError

_RENEWED = (
    RECIPE_NAME,
    "loss.png",
    CALIBRATION_NAME,
    FIGURES_NAME,
    THRESHOLDS_NAME,
    SECOND_READING_NAME,
)
"""What comes with a change, in the order of the moves: what a running system reads goes last."""


def ship_change(
    run: Path,
    profile: str,
    shipped: Path,
    datasets: Path,
    *,
    rank: int,
    steps: int = 127,
    share: float = 1.0,
    no_looser: bool = False,
) -> Path:
    """Write the change from `shipped`'s tensors to those of a finished run; return its file.

    share: how much of the difference is kept (`part_way`); below 1 the temperature is fitted anew, where a stage
    of the run fitted one. no_looser: no threshold is below the shipped one. Thresholds are chosen with the changed
    tensors, rounded as they are, and a second reader that is there is weighed against them; recipe, calibration
    and plot come along, `shadow_adapter.safetensors` and the changes before stay. Interrupted, it leaves `shipped`
    as it was. ConfigurationError where the run is not finished, was shipped before, or went on from another
    shadow than `shipped` is now: its change would take back what was shipped in between.
    """
    recipe, trained = _read_finished(run), run / "adapter"
    trained_sha256 = _unshipped_sha256(run, shipped)
    _refuse_other_start(run, recipe, shipped)
    loaded = load_training_base(profile, torch.float32)
    before = read_adapter(shipped)
    if share < 1:
        trained = _keep(share, trained, before, loaded, recipe, datasets)
    change = Change.between(
        before,
        read_adapter(trained),
        file_sha256([shipped / ADAPTER_NAME, *change_files(shipped)][-1]),
        rank=rank,
        steps=steps,
        trained=trained_sha256,
    )
    with TemporaryDirectory(prefix=f".{shipped.name}-", dir=shipped.resolve().parent) as folder:
        made = Path(folder)
        file = _make(change, run, trained, shipped, made)
        _choose(loaded, recipe, datasets, made, no_looser)
        _move(file.name, made, shipped)
    return shipped / file.name


def _read_finished(run: Path) -> Recipe:
    """Return a finished run's recipe; ConfigurationError where the run is none or not finished."""
    if not (run / RECIPE_NAME).is_file():
        raise ConfigurationError(
            f"{run} is no run of `cloud-server train`: it has no {RECIPE_NAME}"
        )
    recipe = read_recipe(Recipe, run)
    adapter = run / "adapter"
    wanted = [run / f"{stage.name}.done" for stage in recipe.stages]
    wanted += [adapter / ADAPTER_NAME, adapter / FIGURES_NAME]
    if missing := [path for path in wanted if not path.exists()]:
        raise ConfigurationError(
            f"{run} holds no finished shadow: {missing[0]} is not there; the same `cloud-server train` "
            "goes on where it stands"
        )
    return recipe


def _unshipped_sha256(run: Path, shipped: Path) -> str:
    """Return the hash of the file that a run trained; ConfigurationError where it was shipped before."""
    trained_sha256 = file_sha256(run / "adapter" / ADAPTER_NAME)
    for path in change_files(shipped):
        if Change.read(path).trained == trained_sha256:
            raise ConfigurationError(
                f"{run} was shipped already, as {path}; take that file away first to ship it otherwise"
            )
    return trained_sha256


def _refuse_other_start(run: Path, recipe: Recipe, shipped: Path) -> None:
    """Raise ConfigurationError where a run did not go on from what is shipped now.

    One from nothing is to take the place of all that is shipped, whatever that is.
    """
    if recipe.goes_on_from is None:
        return
    inputs = read_inputs(run)
    if inputs is None:
        raise ConfigurationError(
            f"{run} does not say which shadow it went on from (it has no {INPUTS_NAME}: an older version "
            f"began it), and {shipped} may have learnt something since; train it again in another --out"
        )
    if inputs.start_sha256 != adapter_sha256(shipped):
        raise ConfigurationError(
            f"{run} went on from another shadow than {shipped} is now, whose changes since would be taken "
            "back; train it again from there in another --out"
        )


def _make(change: Change, run: Path, trained: Path, shipped: Path, made: Path) -> Path:
    """Make in `made` a copy of the shipped folder with the change and what comes along; return the change's file."""
    shutil.copytree(shipped, made, dirs_exist_ok=True)
    file = next_change_file(made)
    change.save(file)
    for path in (run / RECIPE_NAME, trained / CALIBRATION_NAME, trained / "loss.png"):
        if path.exists():
            shutil.copy(path, made)
    return file


def _choose(
    loaded: TrainingBase, recipe: Recipe, datasets: Path, made: Path, no_looser: bool
) -> None:
    """Choose the thresholds of the changed shadow, and weigh a second reader that is there against it.

    no_looser: none is below those that `made`, a copy of the shipped folder, still holds.
    """
    model = ShadowModel.from_pretrained(loaded.model, made).eval()
    read = reading(model, loaded.encoder)
    write_thresholds(read, recipe, datasets, made, read_thresholds(made) if no_looser else None)
    if in_use := read_second_reading(made):
        rows = recipe.stages[-1].data
        reader = Reader.load(made)
        figures = weigh_beside(
            made,
            reader,
            read,
            datasets,
            rows.validation,
            rows.chosen_on,
            in_use if no_looser else None,
        )
        print(json.dumps(figures, ensure_ascii=False), flush=True)


def _move(change: str, made: Path, shipped: Path) -> None:
    """Move what is new into the shipped folder; the change last, since without it the run is not shipped yet."""
    for name in (*_RENEWED, change):
        if (made / name).exists():
            (made / name).replace(shipped / name)


def _keep(
    share: float,
    trained: Path,
    before: Tensors,
    loaded: TrainingBase,
    recipe: Recipe,
    datasets: Path,
) -> Path:
    """Return the folder, beside `trained`, of the shadow that lies `share` of the way from `before` to trained.

    Where a stage of the run calibrated, so is the mixture, and its calibration.json holds the temperature in
    all: the run's own, of which a share is mixed in, and the new fit's. Where none did, the norm that carries a
    temperature is left as it is mixed.
    """
    folder = trained.parent / "kept"
    shutil.rmtree(folder, ignore_errors=True)  # another share's
    shutil.copytree(trained, folder)
    mixed = part_way(before, read_adapter(trained), share)
    save_file(mixed, str(folder / ADAPTER_NAME), metadata={"format": "pt"})
    model = ShadowModel.from_pretrained(loaded.model, folder).eval()
    if any(stage.calibrate for stage in recipe.stages):
        own = read_temperature(folder)
        rows = read_files(datasets, recipe.stages[-1].data.chosen_on)
        calibrate(model, loaded, rows, folder, folded=1 / (1 + share * (1 / own - 1)))
    save_as_shipped(model, folder)
    return folder
