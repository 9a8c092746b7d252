"""The ears and the attention that the settings ask for."""

from edge_agent.mending.choice import choose_mender
from edge_agent.mending.homophones import Mender
from edge_agent.settings import EdgeSettings
from edge_agent.speech.attention import Attention
from edge_agent.speech.hearing import Hearing
from edge_agent.speech.interface import Ears
from edge_agent.speech.recognizer import SpeechRecognizer
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
        prompts: dict[Spoken, str] = {
            "en": _prompt(settings.speech_prompt_en, PROMPTS["en"]),
            "zh": _prompt(settings.speech_prompt_zh, PROMPTS["zh"]),
        }
        options = WhisperOptions(
            settings.speech_model, settings.speech_threads, settings.speech_language, prompts
        )
        return WhisperRecognizer(options)
    if settings.ears == "sensevoice":
        return SenseVoiceRecognizer(
            settings.speech_model, settings.speech_threads, settings.speech_language
        )
    if settings.ears == "wyoming":
        return WyomingRecognizer(settings.wyoming_uri, settings.speech_language)
    return None


def choose_attention(settings: EdgeSettings) -> Attention:
    """Return what decides which words of an open microphone are meant for the dog."""
    return Attention(settings.wake)


def _prompt(setting: str | None, default: str) -> str:
    if setting is None:
        return default
    return "" if setting.strip().lower() == NO_PROMPT else setting
