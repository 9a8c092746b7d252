"""A run's shadow takes a shipped one's place as a change, with thresholds of its own."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from cloud_server.adapter_files import (
    ADAPTER_NAME,
    CHANGE_NAME,
    SECOND_READER_NAME,
    read_second_reading,
    read_thresholds,
)
from cloud_server.cli import main
from cloud_server.modeling.checkpoint import read_adapter
from cloud_server.training import shipping
from cloud_server.training.pool import save_reading
from cloud_server.training.recipe import AttachedBatches, Recipe
from cloud_server.training.second_reader import fit, train_reader, weigh_again
from cloud_server.training.shipping import ship_change
from cloud_server.training.train import train
from shared.bundle import SecondReading
from shared.errors import ConfigurationError
from shared.tags import TAGS, parse_tag
from tests.cloud_server.training.test_second_reader import TEXTS
from tests.cloud_server.training.test_second_reader import recipe as reader_recipe
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
        == shipped / "shadow_change_2.safetensors.xz"
    )
    assert file.read_bytes() == change
    wanted, found = load_file(third / ADAPTER_NAME), read_adapter(shipped)
    assert all(torch.equal(found[name], tensor) for name, tensor in wanted.items())


def test_a_share_of_what_was_learnt_can_be_kept(tmp_path: Path) -> None:
    write_data(tmp_path)
    shipped = tmp_path / "shipped"
    shutil.copytree(train(recipe(seed=1), tmp_path, tmp_path / "first"), shipped)
    before = read_adapter(shipped)
    trained = read_adapter(train(recipe(seed=2), tmp_path, tmp_path / "second"))

    ship_change(tmp_path / "second", "tiny", shipped, tmp_path, rank=1000, share=0.25)

    kept = read_adapter(shipped)
    name = max(before, key=lambda each: before[each].numel())
    moved, way = (
        kept[name].float() - before[name].float(),
        trained[name].float() - before[name].float(),
    )
    assert torch.allclose(moved, 0.25 * way, atol=0.02 * float(way.abs().max()))
    assert json.loads((shipped / "calibration.json").read_text())["temperature"] > 0


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and two finished runs, `first` and `second`."""
    folder = tmp_path_factory.mktemp("runs")
    write_data(folder)
    for seed, name in enumerate(("first", "second"), start=1):
        train(recipe(seed=seed), folder, folder / name)
    return folder


@pytest.fixture
def shipped(runs: Path, tmp_path: Path) -> Path:
    """What `first` trained, alone in its folder."""
    shutil.copytree(runs / "first" / "adapter", tmp_path / "models" / "shipped")
    return tmp_path / "models" / "shipped"


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_run_is_shipped_once(runs: Path, shipped: Path) -> None:
    ship_change(runs / "second", "tiny", shipped, runs, rank=1000, share=0.5)
    before = files_of(shipped)
    with pytest.raises(ConfigurationError, match=f"was shipped already, as .*{CHANGE_NAME}"):
        ship_change(runs / "second", "tiny", shipped, runs, rank=1)
    assert files_of(shipped) == before


def test_what_is_interrupted_changes_nothing_and_can_be_repeated(
    runs: Path, shipped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files_of(shipped)

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shipping, "write_thresholds", interrupt)
        with pytest.raises(KeyboardInterrupt):
            ship_change(runs / "second", "tiny", shipped, runs, rank=1000)
    assert files_of(shipped) == before
    assert [path.name for path in shipped.parent.iterdir()] == ["shipped"]

    file = ship_change(runs / "second", "tiny", shipped, runs, rank=1000)
    assert file.name == CHANGE_NAME


def test_the_change_is_moved_last(
    runs: Path, shipped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved: list[str] = []
    replace = Path.replace

    def note(self: Path, target: Path) -> Path:
        moved.append(target.name)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", note)
    ship_change(runs / "second", "tiny", shipped, runs, rank=1000)
    assert moved == ["recipe.json", "loss.png", "figures.json", "thresholds.json", CHANGE_NAME]
    assert [path.name for path in shipped.parent.iterdir()] == ["shipped"]


def test_what_is_no_finished_run_is_refused(runs: Path, shipped: Path, tmp_path: Path) -> None:
    arguments = ["ship-change", str(runs / "typo"), "--profile", "tiny", "--adapter", str(shipped)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "typo is no run of `cloud-server train`: it has no recipe.json" in result.stderr
    unfinished = tmp_path / "unfinished"
    shutil.copytree(runs / "second", unfinished)
    (unfinished / "joint.done").unlink()
    with pytest.raises(ConfigurationError, match=r"no finished shadow: .*joint\.done is not"):
        ship_change(unfinished, "tiny", shipped, runs, rank=1)


def thin_recipe(shipped: Path) -> Recipe:
    """Goes on from a shadow: changes of rank 1, every third batch answered by the base."""
    made = recipe(goes_on_from=shipped)
    stage = made.stages[0]
    attached = AttachedBatches(every=3, data=stage.data)
    return made.model_copy(
        update={"stages": [stage.model_copy(update={"change_rank": 1, "attached": attached})]}
    )


def test_a_second_reader_that_is_there_is_weighed_again(tmp_path: Path) -> None:
    write_data(tmp_path)
    shipped = train(recipe(seed=1), tmp_path, tmp_path / "first")
    fit(reader_recipe(), TEXTS, range(len(TAGS))).save(shipped)
    reader = (shipped / SECOND_READER_NAME).read_bytes()
    before = SecondReading(
        shadow_weight=0.0, reader_weight=0.0, thresholds=dict.fromkeys("0123", 0.123)
    )
    save_reading(before, shipped)
    train(recipe(seed=2), tmp_path, tmp_path / "second")

    ship_change(tmp_path / "second", "tiny", shipped, tmp_path, rank=1000)

    assert (shipped / SECOND_READER_NAME).read_bytes() == reader
    after = read_second_reading(shipped)
    assert after is not None
    assert after.shadow_weight or after.reader_weight
    assert 0.123 not in after.thresholds.values()


def test_a_reader_is_fitted_and_weighed_and_can_be_weighed_again(tmp_path: Path) -> None:
    write_data(tmp_path)
    adapter = train(recipe(seed=1), tmp_path, tmp_path / "first")
    common = {"lang": "en", "source": "test", "license": "none", "synthetic": True}
    labels = [str(parse_tag(tag)) for tag in TAGS]
    rows = [
        {"id": text, "text": text, "label": label, **common}
        for text, label in zip(TEXTS, labels, strict=True)
    ]
    (tmp_path / "all.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    files = ["all.jsonl"]
    made = reader_recipe(commands=files, validation=files, calibration=files)

    figures = train_reader(made, "tiny", adapter, tmp_path)

    fitted, chosen = (adapter / SECOND_READER_NAME).read_bytes(), read_second_reading(adapter)
    assert chosen is not None
    assert chosen.reader_weight > 0, "the shadow was taught but a few of the tags"
    save_reading(chosen.model_copy(update={"thresholds": dict.fromkeys("0123", 0.123)}), adapter)
    assert weigh_again(made, "tiny", adapter, tmp_path) == figures
    assert (adapter / SECOND_READER_NAME).read_bytes() == fitted
    assert read_second_reading(adapter) == chosen


def test_what_learns_a_thin_change_ships_whole(tmp_path: Path) -> None:
    write_data(tmp_path)
    shipped = train(recipe(seed=1), tmp_path, tmp_path / "first")
    before = read_adapter(shipped)
    trained = read_adapter(train(thin_recipe(shipped), tmp_path, tmp_path / "second"))
    parts = [
        json.loads(line) for line in (tmp_path / "second" / "log.jsonl").read_text().splitlines()
    ]
    for loss in ("loss_tag", "loss_answer", "loss_avoid"):
        assert any(loss in each for each in parts), "it learns tags, and answers through the base"
    moved = {name for name, tensor in trained.items() if not torch.equal(tensor, before[name])}
    assert moved
    assert all(name.startswith("shadow_model.") and before[name].dim() == 2 for name in moved)

    file = ship_change(tmp_path / "second", "tiny", shipped, tmp_path, rank=1)

    assert file.stat().st_size < (shipped / ADAPTER_NAME).stat().st_size / 2
    found = read_adapter(shipped)
    for name in moved:
        error = (found[name].float() - trained[name].float()).norm()
        assert error < 0.1 * (trained[name].float() - before[name].float()).norm(), name
