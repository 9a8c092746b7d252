"""The second reader scores by wording alone, doubts what it reads differently, and refuses foreign files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_agent.second_reader import SecondReader
from shared.bundle import SecondReading
from shared.errors import BundleError
from shared.wording import wording_keys

READING = SecondReading(shadow_weight=0.5, reader_weight=1.0, thresholds=dict.fromkeys("0123", 0.9))


def write_reader(path: Path, likes: dict[str, int], **changes: Any) -> Path:
    """Write a reader of three tags that likes texts' keys for the tag of a number."""
    weight = {key: tag for text, tag in likes.items() for key in wording_keys(text)}
    keys = np.array(sorted(weight), np.uint32)
    weights = np.full((len(keys), 3), -50, np.int8)
    for row, key in enumerate(keys.tolist()):
        weights[row, weight[key]] = 100
    arrays = {
        "keys": keys,
        "rarity": np.ones(len(keys), np.float32),
        "weights": weights,
        "scales": np.full(3, 0.02, np.float32),
        "bias": np.array([0.1, 0.2, 0.3], np.float32),
    }
    np.savez(path, **{**arrays, **changes})
    return path


@pytest.fixture
def reader(tmp_path: Path) -> SecondReader:
    path = write_reader(tmp_path / "reader.npz", {"sit down": 0, "转个圈": 1})
    return SecondReader.load(path, READING, 3)


def test_it_likes_what_it_has_read(reader: SecondReader) -> None:
    assert reader.scores("Sit down!").argmax() == 0
    assert reader.scores("轉個圈").argmax() == 1


def test_what_it_never_read_gets_the_bias(tmp_path: Path) -> None:
    keys, weights = np.array([1, 2], np.uint32), np.ones((2, 3), np.int8)
    rarity = np.ones(2, np.float32)
    path = write_reader(tmp_path / "r.npz", {}, keys=keys, weights=weights, rarity=rarity)
    assert SecondReader.load(path, READING, 3).scores("sit") == pytest.approx([0.1, 0.2, 0.3])


def test_it_doubts_a_tag_that_it_reads_differently(reader: SecondReader) -> None:
    posterior = np.array([0.98, 0.01, 0.01])
    agreed, doubted = (reader.confidence(text, posterior)[0] for text in ("sit down", "转个圈"))
    assert agreed > 0.95
    assert doubted < 0.5
    assert reader.confidence("sit down", posterior).sum() == pytest.approx(1)


def test_the_confidence_is_the_weighed_pool(reader: SecondReader) -> None:
    posterior = np.array([0.6, 0.3, 0.1])
    shares = np.exp(0.5 * np.log(posterior) + reader.scores("sit"))
    assert reader.confidence("sit", posterior) == pytest.approx(shares / shares.sum())


@pytest.mark.parametrize("changes", [{"bias": np.zeros(2)}, {"keys": np.zeros(1)}])
def test_a_reader_of_other_tags_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = write_reader(tmp_path / "reader.npz", {"sit": 0}, **changes)
    with pytest.raises(BundleError, match="does not belong to the bundle's tags"):
        SecondReader.load(path, READING, 3)


def test_a_damaged_reader_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "reader.npz"
    path.write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(BundleError, match="export or pull the bundle again"):
        SecondReader.load(path, READING, 3)
