"""Sounds and WAV files, and the bark."""

import io
import wave

import numpy as np
import pytest

from edge_agent.audio.bark import make_bark
from edge_agent.audio.sound import Sound, read_wav


def test_a_wav_comes_back_as_it_went(tone):
    back = read_wav(tone.to_wav())
    assert back.rate_hz == 22_050
    assert np.array_equal(back.samples, tone.samples)


def test_two_channels_are_mixed():
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(2)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(np.array([[100, 300], [-100, 100]], dtype="<i2").tobytes())
    assert read_wav(file.getvalue()).samples.tolist() == [200, 0]


def test_a_header_that_promises_more_than_there_is_is_not_believed(tone):
    data = bytearray(tone.to_wav())
    data[4:8] = data[40:44] = (0x7FFFF000).to_bytes(4, "little")  # as espeak-ng writes to a pipe
    assert np.array_equal(read_wav(bytes(data)).samples, tone.samples)


@pytest.mark.parametrize("data", [b"", b"no sound at all", b"RIFF\x04\x00\x00\x00WAVE"])
def test_what_is_no_wav_is_refused(data):
    with pytest.raises(ValueError, match="WAV"):
        read_wav(data)


def test_resampling_keeps_length_and_pitch(tone):
    resampled = tone.at_rate(44_100)
    assert resampled.seconds == pytest.approx(tone.seconds, abs=1e-3)
    spectrum = np.abs(np.fft.rfft(resampled.samples))
    assert np.argmax(spectrum) / resampled.seconds == pytest.approx(440.0, abs=11.0)
    assert Sound(np.zeros(0, np.int16), 8000).at_rate(44_100).seconds == 0.0


def test_the_bark_is_two_loud_woofs_with_a_pause_and_always_the_same():
    bark = make_bark()
    assert 0.4 < bark.seconds < 1.0
    assert np.array_equal(bark.samples, make_bark().samples)
    assert 20_000 < np.max(np.abs(bark.samples.astype(int))) <= 32_767
    frame = 441
    usable = bark.samples[: len(bark.samples) // frame * frame].astype(float)
    loud = np.sqrt((usable.reshape(-1, frame) ** 2).mean(axis=1)) > 1500
    assert np.count_nonzero(np.diff(loud.astype(int)) == 1) + int(loud[0]) == 2
