"""This computer's microphone as a stream of frames, through PortAudio."""

import importlib
import queue
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import numpy as np
from typing_extensions import Self

from edge_agent.speech.interface import SAMPLE_RATE_HZ, Samples
from edge_agent.speech.voice_activity import FRAME, FRAME_S
from shared.errors import SpeechUnavailable

KEPT_S = 30.0
"""How much sound waits where the reader is slow; older sound is lost first."""
SILENT_S = 5.0
"""A microphone that gives nothing for so long has gone."""
PORTAUDIO = (
    "the sound system cannot be used ({error}): `apt-get install libportaudio2`, and look whether a "
    "microphone is plugged in"
)


class Microphone:
    """Frames of float32 at 16 kHz from one input; use it as a context. `device` None: the default."""

    def __init__(self, device: str | None = None, sounddevice: Any = None) -> None:
        self._device: str | int | None = int(device) if device and device.isdigit() else device
        self._sounddevice = sounddevice
        self._frames: queue.Queue[Samples] = queue.Queue(round(KEPT_S / FRAME_S))
        self._stream: Any = None

    def __enter__(self) -> Self:
        library = self._sounddevice or load_sounddevice()
        try:
            self._stream = library.InputStream(
                samplerate=SAMPLE_RATE_HZ,
                blocksize=FRAME,
                channels=1,
                dtype="float32",
                device=self._device,
                callback=self._take,
            )
            self._stream.start()
        except (OSError, ValueError, library.PortAudioError) as error:
            raise SpeechUnavailable(
                f"no microphone {self._device or ''} at 16 kHz ({error}); `edge-agent listen "
                "--devices` lists what there is"
            ) from error
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def frames(self) -> Iterator[Samples]:
        """Yield frames as they come; SpeechUnavailable where the microphone goes silent for good."""
        while True:
            try:
                yield self._frames.get(timeout=SILENT_S)
            except queue.Empty:
                raise SpeechUnavailable(
                    f"the microphone has given nothing for {SILENT_S:.0f} s; look whether it is "
                    "still plugged in"
                ) from None

    def flush(self) -> None:
        """Forget what waits to be read."""
        while not self._frames.empty():
            self._drop_oldest()

    def _take(self, block: Any, count: int, time: Any, status: Any) -> None:
        frame = np.array(block[:, 0], np.float32)
        while True:
            try:
                self._frames.put_nowait(frame)
                return
            except queue.Full:
                self._drop_oldest()

    def _drop_oldest(self) -> None:
        try:
            self._frames.get_nowait()
        except queue.Empty:
            return


def list_inputs(sounddevice: Any = None) -> list[tuple[int, str]]:
    """Return number and name of every input."""
    library = sounddevice or load_sounddevice()
    return [
        (number, str(each["name"]))
        for number, each in enumerate(library.query_devices())
        if each["max_input_channels"] > 0
    ]


def load_sounddevice() -> Any:
    """Return the library; SpeechUnavailable where it or PortAudio is missing."""
    try:
        return importlib.import_module("sounddevice")
    except ImportError as error:
        raise SpeechUnavailable(
            "sounddevice is missing: `pip install 'shadowdog[speech]'`"
        ) from error
    except OSError as error:
        raise SpeechUnavailable(PORTAUDIO.format(error=error)) from error
