"""`cloud-server ship-change`: a trained shadow into a shipped one's place, as a change of its file."""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

from cloud_server.adapter_files import (
    ADAPTER_NAME,
    CALIBRATION_NAME,
    change_files,
    next_change_file,
    read_second_reading,
)
from cloud_server.modeling import ShadowModel
from cloud_server.modeling.change import Change
from cloud_server.modeling.checkpoint import read_adapter
from cloud_server.training.base import TrainingBase, load_training_base
from cloud_server.training.data import Row, read_files
from cloud_server.training.posterior import reading
from cloud_server.training.recipe import Recipe
from cloud_server.training.second_reader import Reader, weigh_beside
from cloud_server.training.train import calibrate, save_as_shipped, write_thresholds
from shared.bundle import file_sha256


def ship_change(
    run: Path,
    profile: str,
    shipped: Path,
    datasets: Path,
    *,
    rank: int,
    steps: int = 127,
    share: float = 1.0,
) -> Path:
    """Write the change from `shipped`'s tensors to those of a finished run; return its file.

    share: how much of the difference is kept. Less than the whole forgets less of what was known before
    (weight-space ensembles, Wortsman and others 2021, arXiv 2109.01903); the temperature is then fitted anew.
    The thresholds are chosen with the changed tensors, rounded as they are, and a second reader that is
    there is weighed against them; recipe, calibration and plot come along.
    `shadow_adapter.safetensors` and the changes before stay as they are.
    """
    recipe = Recipe.model_validate_json((run / "recipe.json").read_bytes())
    loaded = load_training_base(profile, torch.float32)
    rows = recipe.stages[-1].data
    chosen_on = rows.calibration or rows.validation
    trained = run / "adapter"
    if share < 1:
        trained = _keep(share, trained, shipped, loaded, read_files(datasets, chosen_on))
    changed = [shipped / ADAPTER_NAME, *change_files(shipped)][-1]
    change = Change.between(
        read_adapter(shipped), read_adapter(trained), file_sha256(changed), rank=rank, steps=steps
    )
    file = next_change_file(shipped)
    change.save(file)
    shutil.copy(run / "recipe.json", shipped)
    for name in (CALIBRATION_NAME, "loss.png"):
        if (trained / name).exists():
            shutil.copy(trained / name, shipped)
    model = ShadowModel.from_pretrained(loaded.model, shipped).eval()
    read = reading(model, loaded.encoder)
    write_thresholds(read, recipe, datasets, shipped)
    if read_second_reading(shipped):
        reader = Reader.load(shipped)
        figures = weigh_beside(shipped, reader, read, datasets, rows.validation, chosen_on)
        print(json.dumps(figures, ensure_ascii=False), flush=True)
    return file


def _keep(
    share: float, trained: Path, shipped: Path, loaded: TrainingBase, rows: list[Row]
) -> Path:
    """Return the folder, beside `trained`, of the shadow that lies `share` of the way from shipped to trained.

    Its calibration.json holds the temperature in all: the run's own, of which a share is mixed in, and the new fit's.
    """
    folder = trained.parent / "kept"
    shutil.copytree(trained, folder, dirs_exist_ok=True)
    before, now = read_adapter(shipped), read_adapter(trained)
    mixed = {
        name: torch.lerp(before[name].float(), now[name].float(), share).contiguous()
        for name in now
    }
    save_file(mixed, str(folder / ADAPTER_NAME), metadata={"format": "pt"})
    model = ShadowModel.from_pretrained(loaded.model, folder).eval()
    calibration = folder / CALIBRATION_NAME
    own = json.loads(calibration.read_bytes())["temperature"] if calibration.exists() else 1.0
    calibrate(model, loaded, rows, folder, folded=1 / (1 + share * (1 / own - 1)))
    save_as_shipped(model, folder)
    return folder
