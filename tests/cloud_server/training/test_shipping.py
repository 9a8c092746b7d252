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
from cloud_server.training.second_reader import fit
from cloud_server.training.shipping import ship_change
from cloud_server.training.train import train
from shared.bundle import SecondReading
from shared.errors import ConfigurationError
from shared.tags import TAGS
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


def calibrating_recipe(seed: int) -> Recipe:
    made = recipe(seed=seed)
    stage = made.stages[0]
    data = stage.data.model_copy(update={"calibration": stage.data.validation})
    first = stage.model_copy(update={"calibrate": True, "data": data})
    return made.model_copy(update={"stages": [first, *made.stages[1:]]})


def test_a_share_of_what_was_learnt_can_be_kept(tmp_path: Path) -> None:
    write_data(tmp_path)
    shipped = tmp_path / "shipped"
    shutil.copytree(train(recipe(seed=1), tmp_path, tmp_path / "first"), shipped)
    before = read_adapter(shipped)
    trained = read_adapter(train(calibrating_recipe(2), tmp_path, tmp_path / "second"))

    ship_change(tmp_path / "second", "tiny", shipped, tmp_path, rank=1000, share=0.25)

    kept = read_adapter(shipped)
    name = max(before, key=lambda each: before[each].numel())
    moved, way = (
        kept[name].float() - before[name].float(),
        trained[name].float() - before[name].float(),
    )
    assert torch.allclose(moved, 0.25 * way, atol=0.02 * float(way.abs().max()))
    assert json.loads((shipped / "calibration.json").read_text())["temperature"] > 0


def test_a_share_of_a_run_that_fitted_no_temperature_fits_none(
    runs: Path, shipped: Path, tmp_path: Path
) -> None:
    (shipped / "calibration.json").write_text('{"temperature": 1.25}')
    run = tmp_path / "second"
    shutil.copytree(runs / "second", run)
    (run / "kept").mkdir()
    (run / "kept" / "calibration.json").write_text(
        '{"temperature": 9}'
    )  # of a share shipped before
    before, trained = read_adapter(shipped), read_adapter(run / "adapter")

    ship_change(run, "tiny", shipped, runs, rank=1000, share=0.5)

    kept = read_adapter(shipped)
    for name in [each for each in before if each.endswith("norm.weight")]:
        half = (before[name].float() + trained[name].float()) / 2
        torch.testing.assert_close(kept[name].float(), half, atol=1e-2, rtol=1e-2)
    assert json.loads((shipped / "calibration.json").read_text()) == {"temperature": 1.25}


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


def test_a_run_that_went_on_from_another_shadow_is_refused(
    runs: Path, shipped: Path, tmp_path: Path
) -> None:
    for seed, name in enumerate(("one", "two"), start=1):
        made = thin_recipe(shipped).model_copy(update={"seed": seed})
        train(made, runs, tmp_path / name)
    ship_change(tmp_path / "one", "tiny", shipped, runs, rank=1)
    before = files_of(shipped)
    with pytest.raises(ConfigurationError, match=r"two went on from another shadow than .*shipped"):
        ship_change(tmp_path / "two", "tiny", shipped, runs, rank=1)
    (shipped / CHANGE_NAME).unlink()
    (tmp_path / "two" / "inputs.json").unlink()
    with pytest.raises(ConfigurationError, match=r"does not say which shadow .*no inputs\.json"):
        ship_change(tmp_path / "two", "tiny", shipped, runs, rank=1)
    del before[CHANGE_NAME]
    assert files_of(shipped) == before


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


def test_a_shadow_can_be_shipped_with_thresholds_no_looser_than_before(tmp_path: Path) -> None:
    write_data(tmp_path)
    shipped = train(recipe(seed=1), tmp_path, tmp_path / "first")
    fit(reader_recipe(), TEXTS, range(len(TAGS))).save(shipped)
    (shipped / "thresholds.json").write_text(json.dumps(dict.fromkeys("0123", 0.9999)))
    before = SecondReading(
        shadow_weight=0.3, reader_weight=0.4, thresholds=dict.fromkeys("0123", 0.9998)
    )
    save_reading(before, shipped)
    train(recipe(seed=2), tmp_path, tmp_path / "second")

    ship_change(tmp_path / "second", "tiny", shipped, tmp_path, rank=1000, no_looser=True)

    after = read_second_reading(shipped)
    assert after is not None
    assert after.thresholds == before.thresholds
    assert after.shadow_weight + after.reader_weight == pytest.approx(0.7)
    assert read_thresholds(shipped) == dict.fromkeys("0123", 0.9999)


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
