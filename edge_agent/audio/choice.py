"""The voice that the settings ask for."""

from pathlib import Path

from edge_agent.audio.speaker import ComputerSpeaker, Output
from edge_agent.audio.synthesizer import EspeakSynthesizer, PiperSynthesizer, Synthesizer
from edge_agent.audio.voice import Voice
from edge_agent.robot.audio_service import RobotSpeaker
from edge_agent.settings import EdgeSettings
from shared.text import Language


def choose_voice(settings: EdgeSettings) -> Voice:
    """Return the voice; nothing is opened or started before it first speaks."""
    outputs: list[Output] = []
    if settings.voice in ("auto", "robot"):
        outputs.append(RobotSpeaker(settings.robot_domain, settings.robot_interface))
    if settings.voice in ("auto", "speaker"):
        outputs.append(ComputerSpeaker())
    return Voice(choose_synthesizer(settings), outputs)


def choose_synthesizer(settings: EdgeSettings) -> Synthesizer:
    """Return the synthesizer, piper with the voices that are set."""
    if settings.synthesizer == "espeak-ng":
        return EspeakSynthesizer()
    files: dict[Language, Path | None] = {
        "en": settings.piper_english,
        "zh": settings.piper_chinese,
    }
    return PiperSynthesizer({name: file for name, file in files.items() if file is not None})
