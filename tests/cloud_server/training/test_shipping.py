"""A run's shadow takes a shipped one's place as a change, with thresholds of its own."""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file

from cloud_server.adapter_files import ADAPTER_NAME, CHANGE_NAME, read_thresholds
from cloud_server.modeling.checkpoint import read_adapter
from cloud_server.training.shipping import ship_change
from cloud_server.training.train import train
from tests.cloud_server.training.test_train import recipe, write_data


def test_the_changed_adapter_is_the_trained_one(tmp_path: Path) -> None:
    write_data(tmp_path)
    first = train(recipe(seed=1), tmp_path, tmp_path / "first")
    shipped = tmp_path / "shipped"
    shutil.copytree(first, shipped)
    (shipped / "thresholds.json").unlink()
    second = train(recipe(seed=2), tmp_path, tmp_path / "second")
    before = (shipped / ADAPTER_NAME).read_bytes()

    file = ship_change(tmp_path / "second", "tiny", shipped, tmp_path, rank=1000)

    assert file == shipped / CHANGE_NAME
    assert (shipped / ADAPTER_NAME).read_bytes() == before
    wanted, found = load_file(second / ADAPTER_NAME), read_adapter(shipped)
    assert all(torch.equal(found[name], tensor) for name, tensor in wanted.items())
    assert json.loads((shipped / "recipe.json").read_text())["seed"] == 2
    assert read_thresholds(shipped) == read_thresholds(second)
    assert (shipped / "figures.json").read_text() == (second / "figures.json").read_text()

    third = train(recipe(seed=3), tmp_path, tmp_path / "third")
    change = file.read_bytes()
    assert (
        ship_change(tmp_path / "third", "tiny", shipped, tmp_path, rank=1000)
        == shipped / "shadow_change_2.safetensors"
    )
    assert file.read_bytes() == change
    wanted, found = load_file(third / ADAPTER_NAME), read_adapter(shipped)
    assert all(torch.equal(found[name], tensor) for name, tensor in wanted.items())
