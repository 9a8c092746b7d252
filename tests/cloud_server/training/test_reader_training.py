"""A second reader comes to an adapter together with how it is weighed, or not at all."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

from cloud_server.adapter_files import (
    SECOND_READER_CHANGE_NAME,
    SECOND_READER_NAME,
    SECOND_READING_NAME,
    read_second_reading,
)
from cloud_server.cli import main
from cloud_server.modeling import ShadowConfig, ShadowModel
from cloud_server.training.base import load_training_base
from cloud_server.training.pool import save_reading
from cloud_server.training.second_reader import Reader, fit
from shared.errors import ModelError
from shared.tags import TAGS, parse_tag
from tests.cloud_server.modeling.conftest import shake
from tests.cloud_server.training.test_second_reader import TEXTS, recipe

OTHERS = [f"{text} again" for text in TEXTS]


@pytest.fixture
def datasets(tmp_path: Path) -> Path:
    common = {"lang": "en", "source": "test", "license": "none", "synthetic": True}
    labels = [parse_tag(tag) or "REMOTE" for tag in TAGS]
    for name, texts in (("all", TEXTS), ("new", OTHERS)):
        rows = [
            {"id": text, "text": text, "label": label, **common}
            for text, label in zip(texts, labels, strict=True)
        ]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / f"{name}.jsonl").write_text(text)
    (tmp_path / "reader.toml").write_text(
        """
name = "test"
commands = ["all.jsonl"]
remote = []
validation = ["all.jsonl"]
calibration = ["all.jsonl"]
least_rows = 1
most_keys = 5000
penalty = 1e-5
epochs = 5

[change]
commands = ["new.jsonl"]
remote = []
replayed = 10
least_rows = 1
sparsity = 1e-5
rounds = 50
most_steps = 400
"""
    )
    return tmp_path


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """A shadow with a reader, a change of it, and a weighing, of which no number is what a fit gives."""
    torch.manual_seed(5)
    model = ShadowModel.create(
        load_training_base("tiny", torch.float32).model, ShadowConfig(num_shadow_layers=1)
    )
    shake(model.shadow_model)
    folder = tmp_path / "models" / "adapter"
    model.save_pretrained(folder)
    fit(recipe(seed=99, epochs=1), TEXTS, range(len(TAGS))).save(folder)
    names = [parse_tag(tag) or "REMOTE" for tag in TAGS]
    line = "\t".join(["wold", "1", "5", *[""] * (len(TAGS) - 1)])
    table = "\t".join(["piece", "rarity", *names]) + f"\n{line}\n"
    (folder / SECOND_READER_CHANGE_NAME).write_text(table)
    weighed = {"shadow_weight": 0.123, "reader_weight": 0.123}
    text = json.dumps({**weighed, "thresholds": dict.fromkeys("0123", 0.123)})
    (folder / SECOND_READING_NAME).write_text(text)
    return folder


def train_reader(adapter: Path, datasets: Path, *options: str) -> Result:
    arguments = ["train-reader", str(datasets / "reader.toml"), "--datasets", str(datasets)]
    places = ["--adapter", str(adapter), "--profile", "tiny"]
    return CliRunner().invoke(main, [*arguments, *places, *options])


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def changed(before: dict[str, bytes], folder: Path) -> set[str]:
    now = files_of(folder)
    return {name for name in before.keys() | now.keys() if before.get(name) != now.get(name)}


@pytest.mark.parametrize("options", [[], ["--change"], ["--keep"]])
def test_a_failure_while_it_is_weighed_leaves_the_adapter_as_it_was(
    options: list[str], adapter: Path, datasets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files_of(adapter)

    def fail(*_: Any, **__: Any) -> None:
        raise ModelError("the base is gone")

    monkeypatch.setattr(ShadowModel, "from_pretrained", fail)
    result = train_reader(adapter, datasets, *options)
    assert "the base is gone" in result.output
    assert files_of(adapter) == before
    assert [path.name for path in adapter.parent.iterdir()] == ["adapter"]


def test_a_reader_is_fitted_and_weighed_and_can_be_weighed_again(
    adapter: Path, datasets: Path
) -> None:
    before = files_of(adapter)
    result = train_reader(adapter, datasets)
    assert result.exit_code == 0, result.output
    reader = {SECOND_READER_NAME, SECOND_READER_CHANGE_NAME, SECOND_READING_NAME}
    assert changed(before, adapter) == reader
    assert not (adapter / SECOND_READER_CHANGE_NAME).exists(), "it was another reader's"
    chosen = read_second_reading(adapter)
    assert chosen is not None
    assert chosen.reader_weight > 0, "the shadow was taught none of the tags"
    assert [path.name for path in adapter.parent.iterdir()] == ["adapter"]

    fitted = files_of(adapter)
    save_reading(chosen.model_copy(update={"thresholds": dict.fromkeys("0123", 0.123)}), adapter)
    assert train_reader(adapter, datasets, "--keep").exit_code == 0
    assert files_of(adapter) == fitted

    save_reading(chosen.model_copy(update={"thresholds": dict.fromkeys("0123", 0.9999)}), adapter)
    assert train_reader(adapter, datasets, "--keep", "--no-looser").exit_code == 0
    kept = read_second_reading(adapter)
    assert kept is not None
    assert set(kept.thresholds.values()) == {0.9999}


def test_a_change_is_learnt_and_weighed(adapter: Path, datasets: Path) -> None:
    before = files_of(adapter)
    result = train_reader(adapter, datasets, "--change")
    assert result.exit_code == 0, result.output
    assert changed(before, adapter) == {SECOND_READER_CHANGE_NAME, SECOND_READING_NAME}
    assert (
        0.123 not in json.loads((adapter / SECOND_READING_NAME).read_text())["thresholds"].values()
    )
    found = Reader.load(adapter).scores(OTHERS).argmax(1)
    assert (found == range(len(TAGS))).mean() > 0.9


def test_a_folder_left_in_between_is_refused(
    adapter: Path, datasets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def interrupted(self: Path, target: Path) -> Path:
        replace(self, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    assert train_reader(adapter, datasets).exit_code == 1
    with pytest.raises(ModelError, match="train the second reader again"):
        read_second_reading(adapter)
