"""The ears and the attention that the settings ask for."""

from pathlib import Path

from edge_agent.mending.choice import choose_mender
from edge_agent.mending.homophones import Mender
from edge_agent.settings import EdgeSettings
from edge_agent.speech.attention import Attention
from edge_agent.speech.hearing import Hearing
from edge_agent.speech.interface import Ears
from edge_agent.speech.model_files import WHISPER_BASE, WHISPER_SMALL, SpeechModel
from edge_agent.speech.recognizer import SpeechRecognizer
from edge_agent.speech.second_hearing import SecondHearing
from edge_agent.speech.sense_voice import SenseVoiceRecognizer
from edge_agent.speech.understanding import RecordingEars
from edge_agent.speech.whisper import PROMPTS, Spoken, WhisperOptions, WhisperRecognizer
from edge_agent.speech.wyoming_server import WyomingRecognizer

TEXT_ONLY = "this agent takes text only (EDGE_EARS=text); set EDGE_EARS=whisper to speak to it"

NO_PROMPT = "none"


def choose_hearing(settings: EdgeSettings, mender: Mender) -> Hearing:
    """Return the hearing; nothing is loaded before it starts."""
    return Hearing(choose_ears(settings, mender), TEXT_ONLY)


def choose_ears(settings: EdgeSettings, mender: Mender | None = None) -> Ears | None:
    """Return the ears, None where the agent is to take text only; without `mender` they have their own."""
    recognizer = choose_recognizer(settings)
    if recognizer is None:
        return None
    return RecordingEars(recognizer, mender or choose_mender(settings))


def choose_recognizer(settings: EdgeSettings) -> SpeechRecognizer | None:
    """Return the back end, None where the agent is to take text only."""
    if settings.ears == "whisper":
        return _whisper(settings, WHISPER_BASE, settings.speech_model)
    if settings.ears == "sensevoice":
        return SenseVoiceRecognizer(
            settings.speech_model, settings.speech_threads, settings.speech_language
        )
    if settings.ears == "wyoming":
        return WyomingRecognizer(settings.wyoming_uri, settings.speech_language)
    return None


def choose_second_hearing(settings: EdgeSettings, mender: Mender) -> SecondHearing:
    """Return what hears a recording a second time; nothing is loaded before it starts."""
    return SecondHearing(choose_second_ears(settings, mender))


def choose_second_ears(settings: EdgeSettings, mender: Mender | None = None) -> Ears | None:
    """Return the second ears, None where there are to be none, or no first ones."""
    if settings.second_ears == "none" or settings.ears == "text":
        return None
    own = settings.second_ears if isinstance(settings.second_ears, Path) else None
    return RecordingEars(_whisper(settings, WHISPER_SMALL, own), mender or choose_mender(settings))


def choose_attention(settings: EdgeSettings) -> Attention:
    """Return what decides which words of an open microphone are meant for the dog."""
    return Attention(settings.wake)


def _whisper(settings: EdgeSettings, model: SpeechModel, own: Path | None) -> WhisperRecognizer:
    prompts: dict[Spoken, str] = {
        "en": _prompt(settings.speech_prompt_en, PROMPTS["en"]),
        "zh": _prompt(settings.speech_prompt_zh, PROMPTS["zh"]),
    }
    return WhisperRecognizer(
        WhisperOptions(own, settings.speech_threads, settings.speech_language, prompts, model=model)
    )


def _prompt(setting: str | None, default: str) -> str:
    if setting is None:
        return default
    return "" if setting.strip().lower() == NO_PROMPT else setting
