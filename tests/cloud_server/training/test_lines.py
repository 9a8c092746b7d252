"""The line head: fitted whole, then changed a little for a shadow that was trained further."""

import json
from pathlib import Path

import pytest
import torch

from cloud_server.adapter_files import LINE_HEAD_CHANGE_NAME, LINE_HEAD_NAME, line_head_sha256
from cloud_server.modeling import ShadowConfig, ShadowModel
from cloud_server.training.base import load_training_base
from cloud_server.training.line_head import LineHead, fit
from cloud_server.training.lines import LineOptions, draw_rows, train_line_head
from shared.errors import CheckpointMismatch, ConfigurationError

LINES = {"Sit": "I sit down.", "Bark": "Woof!"}
OPTIONS = LineOptions(lines_per_row=1, requests=2, epochs=30, learning_rate=0.02)
CHANGE = LineOptions(lines_per_row=1, requests=2, epochs=30, learning_rate=0.02, change_rank=2)


@pytest.fixture
def datasets(tmp_path: Path) -> Path:
    folder = tmp_path / "datasets"
    folder.mkdir()
    write_rows(folder, LINES)
    return folder


def write_rows(folder: Path, lines: dict[str, str]) -> None:
    about = {"source": "s", "license": "MIT", "synthetic": True}

    def write(name: str, rows: list[dict[str, str]]) -> None:
        given = [{**row, **about, "id": f"{name}-{n}"} for n, row in enumerate(rows)]
        text = "".join(json.dumps(row) + "\n" for row in given)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")

    en = {"lang": "en"}
    write("spoken_lines", [{"label": each, "text": line, **en} for each, line in lines.items()])
    commands = [{"label": each, "text": f"please {each.lower()}", **en} for each in lines]
    write("train_normal", commands)
    remote = [{"label": "REMOTE", "text": text, **en} for text in ("weather?", "a joke")]
    write("train_remote_extra", remote)


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    torch.manual_seed(5)
    loaded = load_training_base("tiny", torch.float32)
    model = ShadowModel.create(loaded.model, ShadowConfig(num_shadow_layers=1))
    model.save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


def test_a_change_is_fitted_to_the_head_that_is_there(adapter: Path, datasets: Path) -> None:
    whole = train_line_head("tiny", adapter, datasets, OPTIONS)
    file, hash_before = (adapter / LINE_HEAD_NAME).read_bytes(), line_head_sha256(adapter)
    changed = train_line_head("tiny", adapter, datasets, CHANGE)
    assert changed.token_ids == whole.token_ids
    assert (adapter / LINE_HEAD_NAME).read_bytes() == file
    assert line_head_sha256(adapter) != hash_before
    read = LineHead.load(adapter)
    (adapter / LINE_HEAD_CHANGE_NAME).unlink()
    before = LineHead.load(adapter).weight
    moved = (changed.weight - before).norm()
    assert moved > 0
    assert (read.weight - changed.weight).norm() < 0.2 * moved


def test_a_further_change_stands_in_place_of_the_one_before(adapter: Path, datasets: Path) -> None:
    """On top of it, it would be of twice the rank, of which the file keeps but half."""
    train_line_head("tiny", adapter, datasets, OPTIONS)
    train_line_head("tiny", adapter, datasets, CHANGE)
    once = LineHead.load(adapter).weight
    train_line_head("tiny", adapter, datasets, CHANGE)
    torch.testing.assert_close(LineHead.load(adapter).weight, once)


def test_a_whole_head_has_no_change_beside_it(adapter: Path, datasets: Path) -> None:
    train_line_head("tiny", adapter, datasets, OPTIONS)
    train_line_head("tiny", adapter, datasets, CHANGE)
    train_line_head("tiny", adapter, datasets, OPTIONS)
    assert not (adapter / LINE_HEAD_CHANGE_NAME).exists()


def test_a_change_of_another_head_is_refused(adapter: Path, datasets: Path) -> None:
    train_line_head("tiny", adapter, datasets, OPTIONS)
    train_line_head("tiny", adapter, datasets, CHANGE)
    change = (adapter / LINE_HEAD_CHANGE_NAME).read_bytes()
    LineHead(torch.ones(3, 8), (1, 2, 3)).save(adapter)
    (adapter / LINE_HEAD_CHANGE_NAME).write_bytes(change)
    with pytest.raises(CheckpointMismatch, match="another adapter"):
        LineHead.load(adapter)


def test_words_that_the_head_does_not_know_need_a_whole_one(adapter: Path, datasets: Path) -> None:
    train_line_head("tiny", adapter, datasets, OPTIONS)
    write_rows(datasets, {**LINES, "Bark": "Zzz 好!"})
    with pytest.raises(ConfigurationError, match="fit it whole"):
        train_line_head("tiny", adapter, datasets, CHANGE)


def test_a_change_learns_and_stays_thin() -> None:
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(200, 12, generator=generator)
    start = torch.randn(9, 12, generator=generator)
    targets = (states @ (start + torch.outer(torch.ones(9), torch.ones(12))).T).argmax(1)
    losses: list[float] = []
    weight = fit(
        states,
        targets,
        start,
        epochs=20,
        batch=50,
        learning_rate=0.02,
        seed=1,
        report=lambda _, loss: losses.append(loss),
        change_rank=2,
    )
    assert losses[-1] < losses[0]
    assert torch.linalg.matrix_rank(weight - start, atol=1e-4) <= 2


def test_the_last_line_of_a_conversation_is_not_learnt_from(datasets: Path) -> None:
    path = datasets / "train_normal.jsonl"
    row = json.loads(path.read_text(encoding="utf-8").splitlines()[0])
    row |= {"text": "yes, please do", "history": [{"role": "user", "text": "will you sit?"}]}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    drawn = draw_rows(datasets, LineOptions(lines_per_row=1))
    assert {each.text for each in drawn} >= {"please sit", "weather?"}
    assert "yes, please do" not in {each.text for each in drawn}
