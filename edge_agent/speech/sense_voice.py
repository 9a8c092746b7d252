"""SenseVoice-small through sherpa-onnx: on a Jetson's processor, so that its GPU stays the model's."""

import importlib
from pathlib import Path
from typing import Any

from edge_agent.speech.interface import SAMPLE_RATE_HZ, Samples, Wanted
from edge_agent.speech.model_files import SENSE_VOICE_SMALL, find_model
from edge_agent.speech.recognizer import (
    SpokenLanguage,
    Transcript,
    always,
    read_foreign_transcript,
)
from shared.errors import SpeechUnavailable


class SenseVoiceRecognizer:
    """One SenseVoice model, a folder with model.int8.onnx and tokens.txt; use it from one thread.

    It tells no probability. Left to choose ("auto"), it now and then answers in Japanese; naming the
    language that is spoken ends that.
    """

    name = "sensevoice"

    def __init__(
        self, directory: Path | None = None, threads: int = 2, language: SpokenLanguage = "auto"
    ) -> None:
        self._directory = directory
        self._threads = threads
        self._language = language
        self._recognizer: Any = None

    def open(self) -> None:
        """Load the model; SpeechUnavailable tells what is missing."""
        try:
            sherpa = importlib.import_module("sherpa_onnx")
        except ImportError as error:
            raise SpeechUnavailable(
                "sherpa-onnx is missing: `pip install 'shadowdog[speech-sensevoice]'`"
            ) from error
        folder = find_model(SENSE_VOICE_SMALL, self._directory)
        model, tokens = (str(folder / each.name) for each in SENSE_VOICE_SMALL.files)
        try:
            self._recognizer = sherpa.OfflineRecognizer.from_sense_voice(
                model=model, tokens=tokens, num_threads=self._threads, language=self._language
            )
        except (RuntimeError, ValueError) as error:
            raise SpeechUnavailable(f"{folder} is no SenseVoice ({error})") from error

    def transcribe(self, samples: Samples, wanted: Wanted = always) -> Transcript:
        """Return what is said."""
        if self._recognizer is None:
            self.open()
        stream = self._recognizer.create_stream()
        stream.accept_waveform(SAMPLE_RATE_HZ, samples)
        self._recognizer.decode_stream(stream)
        return read_foreign_transcript(stream.result.text, stream.result.lang.strip("<|>"))
