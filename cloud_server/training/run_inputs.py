"""What a run of `cloud-server train` was begun with, by hash, so that it goes on with the same or not at all."""

from pathlib import Path

from pydantic import ValidationError

from cloud_server.adapter_files import adapter_sha256
from cloud_server.training.recipe import (
    RECIPE_NAME,
    DataSection,
    Recipe,
    Section,
    refuse_other_recipe,
    write_recipe,
)
from shared.bundle import Sha256, file_sha256
from shared.errors import ConfigurationError, DataError

INPUTS_NAME = "inputs.json"


class RunInputs(Section):
    """start_sha256: of the adapter that is gone on from, with its changes; None where none is.

    files: the data that is read, teachers too, by name within the datasets' folder.
    """

    start_sha256: Sha256 | None
    files: dict[str, Sha256]

    @classmethod
    def of(cls, recipe: Recipe, datasets: Path) -> "RunInputs":
        """Return them as they are now; DataError or ModelError where one is missing."""
        start = adapter_sha256(recipe.goes_on_from) if recipe.goes_on_from else None
        return cls(
            start_sha256=start,
            files={name: _sha256(datasets / name) for name in _names_of(recipe)},
        )


def begin_run(recipe: Recipe, datasets: Path, run_directory: Path) -> None:
    """Write recipe and inputs into a new run's folder; one that is there is gone on with.

    ConfigurationError names what it was begun with otherwise: the recipe's keys, the files, the shadow.
    """
    refuse_other_recipe(recipe, run_directory)
    now = RunInputs.of(recipe, datasets)
    if (run_directory / RECIPE_NAME).exists():
        _refuse_others(recipe, now, run_directory)
    else:
        run_directory.mkdir(parents=True, exist_ok=True)
        text = now.model_dump_json(indent=2) + "\n"
        (run_directory / INPUTS_NAME).write_text(text, encoding="utf-8")
    write_recipe(recipe, run_directory)  # last: with it the run is begun


def read_inputs(run_directory: Path) -> RunInputs | None:
    """Return what a run was begun with, None for a run from before this was noted; ConfigurationError
    where it cannot be read."""
    path = run_directory / INPUTS_NAME
    try:
        return RunInputs.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise ConfigurationError(
            f"{path} cannot be read ({error}); train again in another --out"
        ) from error


def _refuse_others(recipe: Recipe, now: RunInputs, run_directory: Path) -> None:
    was = read_inputs(run_directory)
    if was is None:
        print(
            f"{run_directory} was begun by a version that noted no hashes: whether its data and the "
            "shadow it goes on from are still the same cannot be checked",
            flush=True,
        )
        return
    changed = [name for name, sha256 in now.files.items() if was.files.get(name) != sha256]
    if was.start_sha256 != now.start_sha256:
        changed.append(str(recipe.goes_on_from))
    if changed:
        raise ConfigurationError(
            f"{run_directory} was begun with other data (changed since: {', '.join(changed)}); take "
            "the change back, or choose another --out"
        )


def _names_of(recipe: Recipe) -> list[str]:
    """Return the files that a run reads, each once: LoRA and DoRA choose no thresholds."""
    names: list[str] = []
    for stage in recipe.stages:
        names += _learnt(stage.data)
        names += _learnt(stage.attached.data) if stage.attached else []
        names += [stage.teacher] if stage.teacher else []
        names += stage.data.calibration if stage.calibrate else []
    if not recipe.low_rank:
        data = recipe.stages[-1].data
        names += [*data.validation, *data.chosen_on]
    return list(dict.fromkeys(names))


def _learnt(data: DataSection) -> list[str]:
    return [*data.commands, *data.answers, *data.remote, *data.whole]


def _sha256(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error})") from error
