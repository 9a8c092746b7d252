"""The dog's bark, made here from nothing: two short growling chirps."""

import numpy as np
from numpy.typing import NDArray

from edge_agent.audio.sound import Sound

RATE_HZ = 44_100
WOOF_S = 0.19
GAP_S = 0.14
LOUDNESS = 0.8
_SEED = 7
_HARMONICS = 14


def make_bark(woofs: int = 2) -> Sound:
    """Return a bark of so many woofs, the same each time."""
    noise = np.random.default_rng(_SEED)
    gap = np.zeros(round(GAP_S * RATE_HZ))
    parts: list[NDArray[np.float64]] = []
    for number in range(woofs):
        parts += [_woof(noise, pitch=1.0 - 0.06 * number), gap]
    whole = np.concatenate(parts[:-1])
    scaled = whole / np.max(np.abs(whole)) * LOUDNESS * np.iinfo(np.int16).max
    return Sound(np.round(scaled).astype(np.int16), RATE_HZ)


def _woof(noise: np.random.Generator, pitch: float) -> NDArray[np.float64]:
    """One woof: a tone that jumps up and falls, rough in its throat, through a mouth that closes."""
    time_s = np.arange(round(WOOF_S * RATE_HZ)) / RATE_HZ
    share = time_s / WOOF_S
    tone_hz = pitch * (260.0 + 330.0 * np.sin(np.pi * np.sqrt(share)))
    phase = 2 * np.pi * np.cumsum(tone_hz) / RATE_HZ
    mouth_hz = 900.0 + 700.0 * np.sin(np.pi * share)
    voice = np.zeros_like(time_s)
    for harmonic in range(1, _HARMONICS + 1):
        nearness = np.exp(-(((harmonic * tone_hz - mouth_hz) / 650.0) ** 2))
        voice += (0.25 / harmonic + nearness) * np.sin(harmonic * phase)
    breath = 0.35 * noise.standard_normal(len(time_s))
    envelope = np.minimum(time_s / 0.012, 1.0) * np.exp(-3.2 * share) * (1.0 - share**6)
    return np.tanh(1.4 * voice + breath) * envelope
