"""Recognition by a Wyoming server elsewhere, as home-assistant's add-ons are."""

import asyncio
from typing import TYPE_CHECKING

import numpy as np

from edge_agent.speech.interface import SAMPLE_RATE_HZ, Samples, Wanted
from edge_agent.speech.recognizer import (
    SpokenLanguage,
    Transcript,
    always,
    read_foreign_transcript,
)
from shared.errors import SpeechUnavailable

if TYPE_CHECKING:
    from wyoming.asr import Transcript as WyomingTranscript

CONNECT_S = 3.0
ANSWER_S = 15.0
CHUNK_BYTES = 3200
_PCM = {"rate": SAMPLE_RATE_HZ, "width": 2, "channels": 1}


class WyomingRecognizer:
    """Asks the server at `uri` (tcp://host:port) about each recording, a connection each.

    The recording leaves this computer. The server tells no probability.
    """

    name = "wyoming"

    def __init__(self, uri: str, language: SpokenLanguage = "auto") -> None:
        self._uri = uri
        self._language = None if language == "auto" else language

    def open(self) -> None:
        """Look whether the client is installed; the server may come later."""
        try:
            import wyoming.client  # noqa: F401
        except ImportError as error:
            raise SpeechUnavailable(
                "wyoming is missing: `pip install 'shadowdog[speech-wyoming]'`"
            ) from error

    def transcribe(self, samples: Samples, wanted: Wanted = always) -> Transcript:
        """Return what the server heard; SpeechUnavailable where it does not answer."""
        pcm = np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
        try:
            answer = asyncio.run(asyncio.wait_for(self._ask(pcm), ANSWER_S))
        except (OSError, EOFError, ValueError, asyncio.TimeoutError) as error:
            raise SpeechUnavailable(
                f"the Wyoming server at {self._uri} does not answer ({type(error).__name__}); see "
                "EDGE_WYOMING_URI"
            ) from error
        return read_foreign_transcript(answer.text, answer.language)

    async def _ask(self, pcm: bytes) -> "WyomingTranscript":
        from wyoming.asr import Transcribe
        from wyoming.asr import Transcript as WyomingTranscript
        from wyoming.audio import AudioChunk, AudioStart, AudioStop
        from wyoming.client import AsyncClient

        async with AsyncClient.from_uri(self._uri, connect_timeout=CONNECT_S) as client:
            await client.write_event(Transcribe(language=self._language).event())
            await client.write_event(AudioStart(**_PCM).event())
            for start in range(0, len(pcm), CHUNK_BYTES):
                piece = pcm[start : start + CHUNK_BYTES]
                await client.write_event(AudioChunk(audio=piece, **_PCM).event())
            await client.write_event(AudioStop().event())
            while True:
                event = await client.read_event()
                if event is None:
                    raise EOFError
                if WyomingTranscript.is_type(event.type):
                    return WyomingTranscript.from_event(event)
