"""Turning a line into speech by a program of the system: espeak-ng, or piper with its voices."""

import shutil
import tempfile
from pathlib import Path
from typing import Protocol

from edge_agent.audio.program import run_program
from edge_agent.audio.sound import Absent, Sound, read_wav
from shared.text import Language

ESPEAK = "espeak-ng"
PIPER = "piper"
ESPEAK_VOICES: dict[Language, str] = {"en": "en-us", "zh": "cmn", "other": "en-us"}
WORDS_A_MINUTE = 165
SPEECH_TIMEOUT_S = 20.0


class Synthesizer(Protocol):
    """Makes speech of text; no method blocks the event loop."""

    async def speak(self, text: str, language: Language) -> Sound | Absent:
        """Return the spoken text, or why there is none."""


class EspeakSynthesizer:
    """espeak-ng: small, quick and robotic; speaks English and Mandarin out of the box."""

    async def speak(self, text: str, language: Language) -> Sound | Absent:
        program = shutil.which(ESPEAK)
        if program is None:
            return Absent("espeak-ng is not installed; install it with `apt-get install espeak-ng`")
        voice = ESPEAK_VOICES[language]
        arguments = [program, "-v", voice, "-s", str(WORDS_A_MINUTE), "--stdin", "--stdout"]
        done = await run_program(arguments, text.encode(), SPEECH_TIMEOUT_S)
        if done is None or done.status != 0:
            return Absent(f"espeak-ng made no sound ({done.complaint if done else 'no answer'})")
        return _heard(done.output, ESPEAK)


class PiperSynthesizer:
    """piper with one voice file a language; what is neither English nor Chinese sounds English."""

    def __init__(self, voices: dict[Language, Path]) -> None:
        self._voices = voices

    async def speak(self, text: str, language: Language) -> Sound | Absent:
        program = shutil.which(PIPER)
        if program is None:
            return Absent("piper is not installed; install it, or set EDGE_SYNTHESIZER=espeak-ng")
        voice = self._voices.get("zh" if language == "zh" else "en")
        if voice is None:
            setting = "EDGE_PIPER_CHINESE" if language == "zh" else "EDGE_PIPER_ENGLISH"
            return Absent(f"piper has no voice for {language}; set {setting} to a voice's .onnx")
        with tempfile.TemporaryDirectory(prefix="shadowdog-speech-") as folder:
            file = Path(folder) / "line.wav"
            arguments = [program, "--model", str(voice), "--output_file", str(file)]
            line = " ".join(text.split())  # piper makes one file of each line
            done = await run_program(arguments, f"{line}\n".encode(), SPEECH_TIMEOUT_S)
            if done is None or done.status != 0 or not file.is_file():
                return Absent(f"piper made no sound ({done.complaint if done else 'no answer'})")
            return _heard(file.read_bytes(), PIPER)


def _heard(data: bytes, program: str) -> Sound | Absent:
    try:
        sound = read_wav(data)
    except ValueError as error:
        return Absent(f"{program} made {error}")
    return sound if len(sound.samples) else Absent(f"{program} made an empty sound")
