"""Recordings out of bytes that anybody may have made: WAV or a browser's WebM/Opus, bounded in all ways."""

import io
import itertools
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from edge_agent.speech.interface import MAX_SPEECH_S, SAMPLE_RATE_HZ, Samples
from shared.errors import AudioInvalid, AudioTooLong, SpeechUnavailable

Container = Literal["wav", "webm"]

MAX_RECORDING_BYTES = 3 << 20
"""MAX_SPEECH_S of two channels of 16 bits at 48 kHz, and some."""
MIN_RATE_HZ, MAX_RATE_HZ = 8_000, 96_000
MAX_CHANNELS = 2

_DECODERS = {
    "wav": ("pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le"),
    "webm": ("opus", "libopus"),
}
"""What FFmpeg may run on a recording: it knows hundreds of formats, and each is a way in."""
_DEMUXERS = {"wav": "wav", "webm": "matroska,webm"}
_FIRST_BYTES = {"wav": b"RIFF", "webm": b"\x1a\x45\xdf\xa3"}

_UNREADABLE = "this is no recording that can be read; send WAV (PCM) or WebM/Opus"


def decode_recording(data: bytes, container: Container) -> Samples:
    """Return a recording's samples, float32 of shape (n,), mono at 16 kHz, in -1 to 1; blocks.

    AudioInvalid for what is no such recording, AudioTooLong beyond MAX_SPEECH_S (decoding ends there,
    however much a small file would unfold to), SpeechUnavailable without PyAV.
    """
    try:
        import av
    except ImportError as error:
        raise SpeechUnavailable(
            "recordings cannot be decoded here: install shadowdog[speech]"
        ) from error
    if not data.startswith(_FIRST_BYTES[container]):
        raise AudioInvalid(_UNREADABLE)
    options = {
        "codec_whitelist": ",".join(_DECODERS[container]),
        "format_whitelist": _DEMUXERS[container],
    }
    try:
        with av.open(io.BytesIO(data), format=container, options=options) as opened:
            pieces = list(_bounded(_decode(opened, container)))
    except (av.FFmpegError, ValueError) as error:  # ValueError: the form changes on the way
        raise AudioInvalid(_UNREADABLE) from error
    samples = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    if not len(samples):
        raise AudioInvalid("the recording is empty")
    if not np.isfinite(samples).all():
        raise AudioInvalid("the recording holds values that are no numbers")
    return np.clip(samples, -1.0, 1.0)


def _decode(opened: Any, container: Container) -> Iterator[Samples]:
    """Yield the samples of the one stream as they are decoded, at 16 kHz."""
    import av

    if len(opened.streams) != 1 or len(opened.streams.audio) != 1:
        raise AudioInvalid("the recording must hold one sound track and nothing else")
    stream = opened.streams.audio[0]
    codec = stream.codec_context
    if codec is None or codec.name not in _DECODERS[container]:
        raise AudioInvalid(_UNREADABLE)
    if not MIN_RATE_HZ <= stream.rate <= MAX_RATE_HZ or not 1 <= stream.channels <= MAX_CHANNELS:
        raise AudioInvalid(
            f"record {MIN_RATE_HZ} to {MAX_RATE_HZ} samples a second, one or two channels"
        )
    # The channels' mean is taken here: FFmpeg's own mono is 1.4 times as loud, and clips.
    resampler = av.AudioResampler(format="fltp", rate=SAMPLE_RATE_HZ)
    for frame in itertools.chain(opened.decode(stream), (None,)):
        for piece in resampler.resample(frame):
            yield piece.to_ndarray().mean(axis=0, dtype=np.float32)


def _bounded(pieces: Iterator[Samples]) -> Iterator[Samples]:
    left = int(MAX_SPEECH_S * SAMPLE_RATE_HZ)
    for piece in pieces:
        left -= len(piece)
        if left < 0:
            raise AudioTooLong(f"a recording may last {MAX_SPEECH_S:.0f} s at most")
        yield piece
