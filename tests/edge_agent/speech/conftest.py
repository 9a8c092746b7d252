"""The committed recordings, noises that are mixed in at test time, and the real ears."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from edge_agent.speech.interface import SAMPLE_RATE_HZ, Samples
from edge_agent.speech.recording import decode_recording
from edge_agent.speech.understanding import RecordingEars
from edge_agent.speech.whisper import WhisperOptions, WhisperRecognizer
from shared.errors import SpeechUnavailable

FOLDER = Path(__file__).parent / "recordings"


@dataclass(frozen=True)
class Recording:
    """One committed WAV: what is said in it, and which label that has ("wake", "other" included)."""

    file: str
    text: str
    lang: str
    label: str
    voice: str

    @property
    def path(self) -> Path:
        return FOLDER / self.file

    def samples(self) -> Samples:
        pytest.importorskip("av", reason="PyAV (shadowdog[speech]) is not installed")
        return decode_recording(self.path.read_bytes(), "wav")


def all_recordings() -> list[Recording]:
    lines = (FOLDER / "recordings.jsonl").read_text(encoding="utf-8").splitlines()
    return [Recording(**json.loads(line)) for line in lines]


def noise(kind: str, seconds: float, seed: int = 0) -> Samples:
    """Return noise of root mean square 1."""
    count = round(seconds * SAMPLE_RATE_HZ)
    white = np.random.default_rng(seed).normal(size=count)
    if kind == "white":
        return white.astype(np.float32)
    spectrum = np.fft.rfft(white)
    frequencies = np.fft.rfftfreq(count, 1 / SAMPLE_RATE_HZ)
    brown = np.fft.irfft(spectrum / np.maximum(frequencies, 50.0), count)
    return (brown / np.sqrt(np.mean(brown**2))).astype(np.float32)


def mix(speech: Samples, kind: str, snr_db: float, seed: int = 0) -> Samples:
    """Return speech with noise that is `snr_db` softer than what is spoken, half a second around it."""
    rest = np.zeros(SAMPLE_RATE_HZ // 2, np.float32)
    whole = np.concatenate([rest, speech, rest])
    spoken = speech[np.abs(speech) > 0.02]
    level = float(np.sqrt(np.mean(spoken**2))) / 10 ** (snr_db / 20)
    mixed = whole + level * noise(kind, len(whole) / SAMPLE_RATE_HZ, seed)
    return (mixed / max(1.0, float(np.abs(mixed).max()))).astype(np.float32)


@pytest.fixture(scope="session")
def real_ears() -> RecordingEars:
    """Return ears with the real Whisper; skips where its packages cannot be had."""
    ears = RecordingEars(WhisperRecognizer(WhisperOptions(threads=1)))
    try:
        ears.open()
    except SpeechUnavailable as error:
        pytest.skip(f"no real speech recognition here: {error.message}")
    return ears
