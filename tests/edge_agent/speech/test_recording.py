"""Recordings out of bytes: what is understood, and that nothing else gets through or far."""

import io
import struct
import wave
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent.speech.interface import MAX_SPEECH_S, SAMPLE_RATE_HZ
from edge_agent.speech.recording import decode_recording
from shared.errors import AudioInvalid, AudioTooLong, SpeechUnavailable

av = pytest.importorskip("av", reason="PyAV (shadowdog[speech]) is not installed")

TONE_HZ = 440.0


def tone(seconds: float, rate_hz: int = SAMPLE_RATE_HZ) -> np.ndarray[Any, Any]:
    """Return a tone of half the full height, float32 of shape (n,)."""
    moments = np.arange(int(seconds * rate_hz)) / rate_hz
    return (0.5 * np.sin(2 * np.pi * TONE_HZ * moments)).astype(np.float32)


def wav(samples: np.ndarray[Any, Any], rate_hz: int = SAMPLE_RATE_HZ, channels: int = 1) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(rate_hz)
        writer.writeframes((np.repeat(samples, channels) * 32767).astype("<i2").tobytes())
    return file.getvalue()


def encode(
    samples: np.ndarray[Any, Any], container: str, codec: str, rate_hz: int = 48_000
) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=container) as opened:
        stream = opened.add_stream(codec, rate=rate_hz, layout="mono")
        stream.time_base = Fraction(1, rate_hz)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout="mono")
        frame.rate = rate_hz
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            opened.mux(packet)
    return file.getvalue()


def webm(seconds: float) -> bytes:
    return encode(tone(seconds, 48_000), "webm", "libopus")


def loudest_hz(samples: np.ndarray[Any, Any]) -> float:
    spectrum = np.abs(np.fft.rfft(samples))
    return float(np.argmax(spectrum)) * SAMPLE_RATE_HZ / len(samples)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_wav_of_any_usual_rate_becomes_mono_at_16_khz(rate_hz: int, channels: int) -> None:
    samples = decode_recording(wav(tone(1.0, rate_hz), rate_hz, channels), "wav")
    assert samples.dtype == np.float32
    assert len(samples) == pytest.approx(SAMPLE_RATE_HZ, abs=64)
    assert loudest_hz(samples) == pytest.approx(TONE_HZ, abs=2)
    assert np.sqrt(np.mean(samples**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


def test_webm_with_opus_as_browsers_record_it() -> None:
    samples = decode_recording(webm(1.0), "webm")
    assert len(samples) == pytest.approx(SAMPLE_RATE_HZ, abs=1_000)
    assert loudest_hz(samples) == pytest.approx(TONE_HZ, abs=2)


def test_an_interrupted_upload_gives_what_arrived() -> None:
    whole = wav(tone(1.0))
    samples = decode_recording(whole[: len(whole) // 2], "wav")
    assert len(samples) == pytest.approx(SAMPLE_RATE_HZ / 2, abs=64)


def test_the_longest_recording_passes_and_a_longer_one_does_not() -> None:
    assert decode_recording(wav(tone(MAX_SPEECH_S)), "wav").size == MAX_SPEECH_S * SAMPLE_RATE_HZ
    with pytest.raises(AudioTooLong, match="15 s"):
        decode_recording(wav(tone(MAX_SPEECH_S + 0.01)), "wav")


def test_a_small_file_that_unfolds_to_minutes_is_refused() -> None:
    folded = encode(np.zeros(300 * 48_000, np.float32), "webm", "libopus")
    assert len(folded) < 256 * 1024
    with pytest.raises(AudioTooLong):
        decode_recording(folded, "webm")


def _wav_header(kind: int, channels: int, rate_hz: int, bits: int, data: bytes) -> bytes:
    width = channels * bits // 8
    form = struct.pack(
        "<HHIIHH", kind, channels, rate_hz, rate_hz * width & 0xFFFFFFFF, width, bits
    )
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form
    body += b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


BAD = {
    "nothing": ("wav", b""),
    "text": ("wav", b"hello there, this is no sound at all"),
    "only a name": ("wav", b"RIFF"),
    "a header alone": ("wav", _wav_header(1, 1, 16_000, 16, b"")),
    "no channel": ("wav", _wav_header(1, 0, 16_000, 16, bytes(64))),
    "many channels": ("wav", _wav_header(1, 60, 16_000, 16, bytes(12_000))),
    "no rate": ("wav", _wav_header(1, 1, 0, 16, bytes(64))),
    "one sample a second": ("wav", _wav_header(1, 1, 1, 16, bytes(6400))),
    "billions a second": ("wav", _wav_header(1, 1, 4_000_000_000, 16, bytes(6400))),
    "another codec": ("wav", _wav_header(0x55, 1, 16_000, 16, bytes(6400))),  # MP3
    "no number": ("wav", _wav_header(3, 1, 16_000, 32, struct.pack("<f", float("nan")) * 800)),
    "webm's name alone": ("webm", b"\x1a\x45\xdf\xa3"),
    "noise as webm": ("webm", b"\x1a\x45\xdf\xa3" + bytes(range(256)) * 8),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_recording_is_refused(name: str) -> None:
    container, data = BAD[name]
    with pytest.raises(AudioInvalid):
        decode_recording(data, container)  # type: ignore[arg-type]


def test_one_container_is_not_taken_for_another() -> None:
    with pytest.raises(AudioInvalid):
        decode_recording(webm(0.2), "wav")
    with pytest.raises(AudioInvalid):
        decode_recording(wav(tone(0.2)), "webm")


def test_other_codecs_and_tracks_in_a_webm_are_refused() -> None:
    matroska = encode(tone(0.5, 44_100), "matroska", "aac", 44_100)
    with pytest.raises(AudioInvalid):
        decode_recording(matroska, "webm")
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as opened:
        video = opened.add_stream("mpeg4", rate=5)
        video.width = video.height = 32
        video.pix_fmt = "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        for packet in [*video.encode(picture), *video.encode(None)]:
            opened.mux(packet)
    with pytest.raises(AudioInvalid):
        decode_recording(file.getvalue(), "webm")


def test_values_beyond_the_range_are_clipped() -> None:
    loud = _wav_header(3, 1, 16_000, 32, np.full(1600, 40.0, "<f4").tobytes())
    assert np.abs(decode_recording(loud, "wav")).max() == 1.0


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(data=st.data())
def test_damaged_recordings_are_decoded_or_refused(data: st.DataObject) -> None:
    container = data.draw(st.sampled_from(["wav", "webm"]))
    whole = bytearray(_WHOLE[container])
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(4, len(whole) - 1))] = data.draw(st.integers(0, 255))
    del whole[data.draw(st.integers(8, len(whole))) :]
    try:
        samples = decode_recording(bytes(whole), container)
    except (AudioInvalid, AudioTooLong):
        return
    assert 0 < len(samples) <= MAX_SPEECH_S * SAMPLE_RATE_HZ
    assert np.isfinite(samples).all()


_WHOLE = {"wav": wav(tone(0.1)), "webm": webm(0.3)}


def test_without_pyav_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(SpeechUnavailable, match=r"shadowdog\[speech\]"):
        decode_recording(wav(tone(0.1)), "wav")
