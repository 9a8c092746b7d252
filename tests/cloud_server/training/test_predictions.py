"""Predictions of tiny systems: the posterior as it is, answers as one row alone gives them."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from cloud_server.adapter_files import (
    CALIBRATION_NAME,
    LOW_RANK_NAME,
    THRESHOLDS_NAME,
    adapter_sha256,
    trained_parameters,
)
from cloud_server.cli import main
from cloud_server.modeling import ShadowConfig, ShadowModel
from cloud_server.training.base import load_training_base
from cloud_server.training.calibration import fold_temperature
from cloud_server.training.data import Row, read_rows
from cloud_server.training.low_rank import adapt
from cloud_server.training.posterior import tag_posteriors
from cloud_server.training.predictions import (
    answer_rows,
    attached_step,
    low_rank_step,
    predict_files,
)
from shared.bundle import file_sha256
from shared.errors import ConfigurationError, ModelError
from shared.predictions import read_predictions
from shared.tags import TAGS

TEXTS = ("sit", "do a flip", "坐下", "why is the sky blue", "bow")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    row = {"lang": "en", "label": "REMOTE", "source": "s", "license": "MIT", "synthetic": False}
    rows = [{"id": f"r-{number}", "text": text, **row} for number, text in enumerate(TEXTS)]
    rows[3]["history"] = [{"role": "user", "text": "sit"}, {"role": "dog", "text": "[Sit()] Ok."}]
    path.write_text("".join(json.dumps(each) + "\n" for each in rows), encoding="utf-8")
    return path


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """A tiny random shadow with thresholds."""
    loaded = load_training_base("tiny", torch.float32)
    torch.manual_seed(0)
    model = ShadowModel.create(loaded.model, ShadowConfig(num_shadow_layers=1), start="random")
    place = tmp_path / "adapter"
    model.save_pretrained(place)
    (place / THRESHOLDS_NAME).write_text('{"0": 0.5, "1": 0.9, "2": 0.9, "3": 0.9}')
    return place


def load(adapter: Path) -> tuple[Any, ShadowModel]:
    loaded = load_training_base("tiny", torch.float32)
    return loaded, ShadowModel.from_pretrained(loaded.model, adapter).eval()


def test_a_detached_shadows_posterior_is_kept(data: Path, adapter: Path, tmp_path: Path) -> None:
    out = tmp_path / "p.jsonl"
    given = ["detached", "--adapter", str(adapter), "--data", str(data), "--out", str(out)]
    result = CliRunner().invoke(main, ["predict", *given, "--profile", "tiny"])
    assert result.exit_code == 0, result.output
    about, found = read_predictions(out)
    assert about["thresholds"]["1"] == 0.9
    assert about["calibrated"] is True
    assert about["adapter_sha256"] == adapter_sha256(adapter), "as an edge's bundle names it"
    assert set(about["data"]) == {"rows"}
    loaded, model = load(adapter)
    posteriors = tag_posteriors(model, loaded.encoder, TEXTS)
    for number, posterior in enumerate(posteriors.tolist()):
        kept = found[f"r-{number}"]["posterior"]
        wanted = {tag: p for tag, p in zip(TAGS, posterior, strict=True) if p >= 1e-3}
        assert kept == pytest.approx(wanted, abs=1e-5)


def test_calibration_can_be_undone(data: Path, adapter: Path, tmp_path: Path) -> None:
    plain, undone = tmp_path / "plain.jsonl", tmp_path / "undone.jsonl"
    predict_files("detached", "tiny", adapter, [data], plain)
    chosen_on = tmp_path / "calibration.jsonl"
    row = json.loads(data.read_text(encoding="utf-8").splitlines()[0])
    rows = [{**row, "id": f"c-{n}", "text": f"sit {n}", "label": "Sit"} for n in range(9)]
    chosen_on.write_text("".join(json.dumps(each) + "\n" for each in rows))
    with pytest.raises(ModelError, match="not calibrated"):
        predict_files("detached", "tiny", adapter, [data, chosen_on], undone, uncalibrated=True)
    _, model = load(adapter)
    fold_temperature(model, 1.7)
    model.save_pretrained(adapter)
    (adapter / CALIBRATION_NAME).write_text('{"temperature": 1.7}')
    with pytest.raises(ConfigurationError, match="thresholds are chosen anew: give calibration,"):
        predict_files("detached", "tiny", adapter, [data], undone, uncalibrated=True)
    with pytest.raises(ConfigurationError, match="only a detached shadow is calibrated"):
        predict_files("attached", "tiny", adapter, [data, chosen_on], undone, uncalibrated=True)
    predict_files("detached", "tiny", adapter, [data, chosen_on], undone, uncalibrated=True)
    about, found = read_predictions(undone)
    assert about["calibrated"] is False
    assert about["thresholds"] != json.loads((adapter / THRESHOLDS_NAME).read_text())
    _, before = read_predictions(plain)
    for name, prediction in before.items():
        assert found[name]["posterior"] == pytest.approx(prediction["posterior"], abs=1e-4)


def test_answers_come_whole_with_what_was_cut(data: Path, adapter: Path, tmp_path: Path) -> None:
    out = tmp_path / "p.jsonl"
    notes = {"texts_seen": 7, "system": "another"}
    given = {"answer_tokens": 3, "notes": notes}
    assert predict_files("attached", "tiny", adapter, [data], out, **given) == len(TEXTS)  # type: ignore[arg-type]
    about, found = read_predictions(out)
    assert (about["texts_seen"], about["system"]) == (7, "attached")
    assert about["answer_tokens"] == 3
    assert about["trained_parameters"] == trained_parameters(adapter)
    assert all(each.get("cut") and len(each["said"].encode()) >= 1 for each in found.values())
    assert all(0 < each["probability"] < 1 for each in found.values())
    assert all(0 < each["tag_probability"] <= each["probability"] for each in found.values())


def one_by_one(step: Any, loaded: Any, rows: list[Row]) -> list[Any]:
    return [answer_rows(step, loaded, [row], 6)[0] for row in rows]


def test_rows_in_a_batch_are_answered_as_alone(data: Path, adapter: Path) -> None:
    loaded, model = load(adapter)
    rows = read_rows(data)
    rows += [row.model_copy(update={"text": row.text[::-1]}) for row in rows]
    step = attached_step(model)
    together = answer_rows(step, loaded, rows, 6)
    for one, other in zip(together, one_by_one(step, loaded, rows), strict=True):
        assert (one.said, one.cut) == (other.said, other.cut)
        assert one.probability == pytest.approx(other.probability, rel=1e-4)


def test_the_attached_answer_is_what_the_model_generates(data: Path, adapter: Path) -> None:
    loaded, model = load(adapter)
    rows = [row for row in read_rows(data) if not row.history]
    for row, answer in zip(rows, answer_rows(attached_step(model), loaded, rows, 6), strict=True):
        prompt = torch.tensor([loaded.encoder.encode_prompt(row.text)])
        ids = model.generate(prompt, max_new_tokens=6, end_token_ids=(loaded.encoder.end_token_id,))
        said = ids[0, prompt.shape[1] :].tolist()
        end = loaded.encoder.end_token_id
        said = said[: said.index(end)] if end in said else said
        assert answer.said == loaded.tokenizer.decode(said)


@pytest.mark.parametrize("dora", [False, True])
def test_lora_and_dora_are_read_and_answer(data: Path, tmp_path: Path, dora: bool) -> None:
    loaded = load_training_base("tiny", torch.float32)
    adapted = adapt(loaded.model, 2, dora=dora)
    place = tmp_path / "low_rank"
    adapted.save_pretrained(str(place))
    out = tmp_path / "p.jsonl"
    predict_files("low_rank", "tiny", place, [data], out, answer_tokens=4)
    about, found = read_predictions(out)
    trainable = sum(each.numel() for each in adapted.parameters() if each.requires_grad)
    assert sum(about["trained_parameters"].values()) == trainable
    assert about["adapter_sha256"] == file_sha256(place / LOW_RANK_NAME)
    assert len(found) == len(TEXTS)
    step = low_rank_step(adapted.eval())
    alone = one_by_one(step, loaded, read_rows(data))
    together = answer_rows(step, loaded, read_rows(data), 6)
    assert [each.said for each in together] == [each.said for each in alone]


def test_an_empty_folder_holds_no_adapter(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no adapter"):
        trained_parameters(tmp_path)


def test_predictions_of_before_stay_where_the_adapter_cannot_be_loaded(
    data: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "p.jsonl"
    predict_files("detached", "tiny", adapter, [data], out)
    before = out.read_bytes()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cloud_server.training.predictions.load_system", interrupt)
    with pytest.raises(KeyboardInterrupt):
        predict_files("detached", "tiny", adapter, [data], out)
    assert out.read_bytes() == before
