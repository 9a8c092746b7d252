"""The second reader of a bundle scores as the trained one does, and is heard as training heard it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from cloud_server.adapter_files import LEAST_PROBABILITY
from cloud_server.bundle_state import is_current
from cloud_server.training.export import export_bundle
from cloud_server.training.second_reader import Reader, ReaderRecipe, fit
from edge_agent.recognizer import Recognizer
from shared.bundle import MANIFEST_NAME, SecondReading, read_manifest
from shared.errors import BundleError
from shared.skills import SKILL_NAMES
from shared.tags import REMOTE, TAGS, parse_tag

TEXTS = [*(f"please {name.lower()} now" for name in SKILL_NAMES), "what is the weather"]
RECIPE = ReaderRecipe(
    name="test", commands=[], remote=[], validation=[], calibration=[], least_rows=1,
    most_keys=5000, penalty=1e-5, epochs=5,
)  # fmt: skip


@pytest.fixture(scope="module")
def reader() -> Reader:
    return fit(RECIPE, TEXTS, range(len(TAGS)))


def export_with(adapter: Path, place: Path, reader: Reader, least: float, **weights: float) -> Path:
    """Export the adapter with a second reader whose confidence has to reach `least`."""
    folder = place / "adapter"
    shutil.copytree(adapter, folder)
    (folder / "thresholds.json").write_text(json.dumps(dict.fromkeys("0123", 0.0)))
    reader.save(folder)
    given = {"shadow_weight": 0.5, "reader_weight": 0.5, **weights}
    reading = SecondReading(thresholds=dict.fromkeys("0123", least), **given)  # type: ignore[arg-type]
    (folder / "second_reading.json").write_text(reading.model_dump_json())
    export_bundle("tiny", folder, place / "bundle", "fp32")
    assert is_current(place / "bundle", folder, "fp32", "whole")
    return place / "bundle"


def test_it_learns_the_wording(reader: Reader) -> None:
    scores = reader.scores(TEXTS)
    assert scores.argmax(1).tolist() == list(range(len(TAGS)))


def test_the_edge_scores_as_training_does(adapter: Path, tmp_path: Path, reader: Reader) -> None:
    recognizer = Recognizer.load(export_with(adapter, tmp_path, reader, 0.5))
    assert recognizer.second_reader is not None
    for text in [*TEXTS, "坐下吧，别动", "", "a key nobody knows 龘"]:
        found = recognizer.second_reader.scores(text)
        assert found == pytest.approx(reader.scores([text])[0], abs=1e-4)


def test_the_posterior_is_the_shadows_alone(
    adapter: Path, bundles: dict[str, Path], tmp_path: Path, reader: Reader
) -> None:
    together = Recognizer.load(export_with(adapter, tmp_path, reader, 0.5))
    alone = Recognizer.load(bundles["fp32"])
    assert together.posterior("sit").ranked == alone.posterior("sit").ranked
    decision = together.decide("sit")
    tag, confidence = decision.joint[0]
    assert sum(sure for _, sure in decision.joint) == pytest.approx(1)
    assert decision.confidence == confidence
    assert decision.probability == dict(decision.posterior.ranked)[tag]
    assert decision.seconded == dict(decision.joint)[decision.posterior.ranked[0][0]]
    assert alone.decide("sit").joint == alone.decide("sit").posterior.ranked


def test_the_tables_of_chinese_sounds_are_loaded_at_the_start(
    adapter: Path, tmp_path: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    monkeypatch.setattr(
        "edge_agent.second_reader.wording_keys", lambda text: read.append(text) or [1]
    )
    Recognizer.load(export_with(adapter, tmp_path, reader, 0.5))
    assert any(character > "\u33ff" for text in read for character in text)


def test_the_tag_is_the_one_that_both_are_surest_of(
    adapter: Path, tmp_path: Path, reader: Reader
) -> None:
    weights = {"shadow_weight": 1.0, "reader_weight": 0.2}
    free = Recognizer.load(export_with(adapter, tmp_path / "free", reader, 0.0, **weights))
    strict = Recognizer.load(export_with(adapter, tmp_path / "strict", reader, 1.0, **weights))
    overruled = 0
    for text in TEXTS:
        decision = free.decide(text)
        best = decision.joint[0][0]
        name = parse_tag(best) or "REMOTE"
        acts = name != "REMOTE" and decision.probability >= free.threshold(name)
        assert decision.tag == (best if acts else REMOTE)
        overruled += best != decision.posterior.ranked[0][0]
        assert strict.decide(text).tag == REMOTE
    assert 0 < overruled < len(TEXTS), "neither reader is to decide alone"


def test_the_shadow_has_to_hold_it_possible(adapter: Path, tmp_path: Path, reader: Reader) -> None:
    deaf = {"shadow_weight": 0.0, "reader_weight": 5.0}
    recognizer = Recognizer.load(export_with(adapter, tmp_path, reader, 0.0, **deaf))
    flips = recognizer.decide(TEXTS[TAGS.index("[FrontFlip()]")])
    assert flips.joint[0][0] == "[FrontFlip()]"
    assert flips.probability < recognizer.threshold("FrontFlip")
    assert flips.tag == REMOTE


def test_beside_it_the_shadow_has_thresholds_of_its_own(
    adapter: Path, tmp_path: Path, reader: Reader
) -> None:
    thresholds = read_manifest(export_with(adapter, tmp_path, reader, 0.5)).thresholds
    assert thresholds == LEAST_PROBABILITY


def test_a_bundle_whose_reader_is_missing_is_refused(
    adapter: Path, tmp_path: Path, reader: Reader
) -> None:
    bundle = export_with(adapter, tmp_path, reader, 0.5)
    manifest = json.loads((bundle / MANIFEST_NAME).read_text())
    del manifest["files"]["second_reader.npz"]
    (bundle / "second_reader.npz").unlink()
    (bundle / MANIFEST_NAME).write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="second_reader"):
        Recognizer.load(bundle)


def test_the_pool_is_the_same_on_both_sides(adapter: Path, tmp_path: Path, reader: Reader) -> None:
    from cloud_server.training.pool import Readings

    recognizer = Recognizer.load(
        export_with(adapter, tmp_path, reader, 0.5, shadow_weight=0.3, reader_weight=0.8)
    )
    ranked = dict(recognizer.posterior("sit").ranked)
    posterior = np.array([ranked[tag] for tag in TAGS])
    readings = Readings([], torch.tensor(posterior)[None], reader.scores(["sit"]))
    assert recognizer.second_reader is not None
    found = recognizer.second_reader.confidence("sit", posterior)
    assert found == pytest.approx(readings.pool(0.3, 0.8)[0].numpy(), abs=1e-6)
