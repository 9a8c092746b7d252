"""`cloud-server ship-change`: a trained shadow into a shipped one's place, as a change of its file."""

import json
import shutil
from pathlib import Path

import torch

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
from cloud_server.training.base import load_training_base
from cloud_server.training.posterior import reading
from cloud_server.training.recipe import Recipe
from cloud_server.training.second_reader import Reader, weigh_beside
from cloud_server.training.train import write_thresholds
from shared.bundle import file_sha256


def ship_change(
    run: Path, profile: str, shipped: Path, datasets: Path, *, rank: int, steps: int = 127
) -> Path:
    """Write the change from `shipped`'s tensors to those of a finished run; return its file.

    The thresholds are chosen with the changed tensors, rounded as they are, and a second reader that is
    there is weighed against them; recipe, calibration and plot come along.
    `shadow_adapter.safetensors` and the changes before stay as they are.
    """
    recipe = Recipe.model_validate_json((run / "recipe.json").read_bytes())
    trained = run / "adapter"
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
    loaded = load_training_base(profile, torch.float32)
    model = ShadowModel.from_pretrained(loaded.model, shipped).eval()
    read = reading(model, loaded.encoder)
    write_thresholds(read, recipe, datasets, shipped)
    if read_second_reading(shipped):
        data = recipe.stages[-1].data
        chosen_on = data.calibration or data.validation
        reader = Reader.load(shipped)
        figures = weigh_beside(shipped, reader, read, datasets, data.validation, chosen_on)
        print(json.dumps(figures, ensure_ascii=False), flush=True)
    return file
