"""The spectrogram is the reference's, sample for sample."""

import numpy as np
import pytest

from edge_agent.speech.log_mel import log_mel


@pytest.mark.parametrize("count", [16_000, 37_777, 240_000])
def test_it_is_faster_whispers(count: int) -> None:
    reference = pytest.importorskip("faster_whisper.feature_extractor").FeatureExtractor()
    samples = (0.1 * np.random.default_rng(count).normal(size=count)).astype(np.float32)
    expected = reference(np.pad(samples, (0, 240_000 - count)))[:, :1500]
    ours = log_mel(samples, 80, 1500)
    assert ours.shape == (80, 1500)
    assert ours.dtype == np.float32
    assert np.allclose(ours, expected, atol=1e-4)


def test_what_follows_a_recording_is_silence() -> None:
    samples = (0.1 * np.random.default_rng(0).normal(size=16_000)).astype(np.float32)
    ours = log_mel(samples, 80, 1500)
    assert np.allclose(
        ours[:, 105:], ours.max() - 2, atol=1e-5
    )  # 8 decades below the loudest, a quarter of that each


def test_short_and_empty_recordings_have_one() -> None:
    for count in (0, 1, 399):
        assert np.isfinite(log_mel(np.zeros(count, np.float32), 80, 1500)).all()


def test_a_large_model_has_more_bands() -> None:
    assert log_mel(np.zeros(16_000, np.float32), 128, 100).shape == (128, 100)
