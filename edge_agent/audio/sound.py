"""A piece of sound: mono 16-bit samples, to and from WAV."""

import io
import wave
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_BYTES = 2


@dataclass(frozen=True)
class Absent:
    """Why something cannot sound just now, with what a person can do about it."""

    reason: str


@dataclass(frozen=True)
class Sound:
    """Mono samples, int16 of shape (n,), at `rate_hz`."""

    samples: NDArray[np.int16]
    rate_hz: int

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.samples) / self.rate_hz

    def at_rate(self, rate_hz: int) -> "Sound":
        """Return the same sound at another rate, interpolated linearly: enough for speech."""
        if rate_hz == self.rate_hz or not len(self.samples):
            return Sound(self.samples, rate_hz)
        count = round(len(self.samples) * rate_hz / self.rate_hz)
        places = np.arange(count) * (self.rate_hz / rate_hz)
        values = np.interp(places, np.arange(len(self.samples)), self.samples)
        return Sound(np.round(values).astype(np.int16), rate_hz)

    def to_wav(self) -> bytes:
        """Return a WAV file's bytes."""
        file = io.BytesIO()
        with wave.open(file, "wb") as writer:
            writer.setnchannels(1)
            writer.setsampwidth(SAMPLE_BYTES)
            writer.setframerate(self.rate_hz)
            writer.writeframes(self.samples.astype("<i2").tobytes())
        return file.getvalue()


def read_wav(data: bytes) -> Sound:
    """Return the sound of a 16-bit WAV, its channels mixed; ValueError for anything else.

    A length that the header overstates, as a synthesiser writes into a pipe, is not believed.
    """
    try:
        with wave.open(io.BytesIO(data)) as reader:
            if reader.getsampwidth() != SAMPLE_BYTES:
                raise ValueError("the WAV has no 16-bit samples")
            channels, rate_hz = reader.getnchannels(), reader.getframerate()
            frames = reader.readframes(len(data) // (SAMPLE_BYTES * channels))
    except (wave.Error, EOFError) as error:
        raise ValueError(f"no WAV: {error}") from error
    whole = len(frames) - len(frames) % (SAMPLE_BYTES * channels)
    samples = np.frombuffer(frames[:whole], dtype="<i2").reshape(-1, channels)
    return Sound(np.round(samples.mean(axis=1)).astype(np.int16), rate_hz)
