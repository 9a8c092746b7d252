"""Whisper's input: the log-mel spectrogram of a recording.

Own code, since the package that has it, faster-whisper, pulls in the plain onnxruntime, which a
computer with onnxruntime-gpu must not have. The tests compare the two.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edge_agent.speech.interface import SAMPLE_RATE_HZ, Samples

WINDOW = 400
HOP = 160
FRAMES_A_SECOND = SAMPLE_RATE_HZ // HOP
_LINEAR_HZ_A_MEL = 200 / 3
_LOG_FROM_HZ = 1000.0
_LOG_STEP = np.log(6.4) / 27


def log_mel(samples: Samples, bands: int, frames: int) -> NDArray[np.float32]:
    """Return the spectrogram, float32 of shape (bands, frames): 10 ms a frame, cut or filled with silence.

    Slaney's mel scale, a Hann window of 25 ms, and Whisper's range of 8 decades below the loudest. Silence is what
    Whisper was trained with after a recording's end; zeros, which would be a soft noise, cost a sixth more wrong
    Chinese characters (docs/speech.md).
    """
    kept = samples[: frames * HOP].astype(np.float32)
    filled = np.pad(kept, (0, (frames + 1) * HOP - len(kept)))
    padded = np.pad(filled, WINDOW // 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][:frames]
    hann = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
    power = np.abs(np.fft.rfft(windows * hann, axis=-1)).astype(np.float32) ** 2
    logs = np.log10(np.maximum(_filters(bands) @ power.T, 1e-10))
    scaled = (np.maximum(logs, logs.max() - 8.0) + 4.0) / 4.0
    return np.ascontiguousarray(scaled, dtype=np.float32)


@lru_cache(maxsize=2)
def _filters(bands: int) -> NDArray[np.float32]:
    """Return the triangular filters, float32 of shape (bands, WINDOW // 2 + 1), of unit area."""
    highest = (
        _LOG_FROM_HZ / _LINEAR_HZ_A_MEL + np.log(SAMPLE_RATE_HZ / 2 / _LOG_FROM_HZ) / _LOG_STEP
    )
    edges = _mel_to_hz(np.linspace(0, highest, bands + 2))
    bins = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE_HZ)
    widths = np.diff(edges)[:, None]
    rising = (bins - edges[:-2, None]) / widths[:-1]
    falling = (edges[2:, None] - bins) / widths[1:]
    areas = 2 / (edges[2:] - edges[:-2])[:, None]
    return np.asarray(np.maximum(0, np.minimum(rising, falling)) * areas, np.float32)


def _mel_to_hz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = mels * _LINEAR_HZ_A_MEL
    above = np.maximum(mels - _LOG_FROM_HZ / _LINEAR_HZ_A_MEL, 0)
    return np.where(linear < _LOG_FROM_HZ, linear, _LOG_FROM_HZ * np.exp(_LOG_STEP * above))
