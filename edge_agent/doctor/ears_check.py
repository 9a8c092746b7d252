"""Ears: whether recordings can be understood with what the settings ask for."""

import importlib.util
import time

from edge_agent.doctor.finding import Finding, ok, skipped, warning
from edge_agent.speech.interface import Ears
from shared.errors import SpeechUnavailable

NAME = "ears"
SECOND_NAME = "second ears"


def check_ears(ears: Ears | None) -> Finding:
    """Open the ears and say what is missing; `ears` None: the agent is to take text only."""
    if ears is None:
        return ok(NAME, "text only (EDGE_EARS=text)")
    if importlib.util.find_spec("av") is None:
        return skipped(NAME, "speech is not installed; text and HTTP work without it")
    return _open(NAME, ears)


def check_second_ears(ears: Ears | None) -> list[Finding]:
    """Open the second ears as well; nothing is said of them where there are to be none."""
    return [] if ears is None else [_open(SECOND_NAME, ears)]


def _open(name: str, ears: Ears) -> Finding:
    began = time.monotonic()
    try:
        ears.open()
    except SpeechUnavailable as error:
        message, _, todo = error.message.partition(": ")
        return warning(name, message, todo)
    return ok(name, f"{ears.name}, opened in {time.monotonic() - began:.1f} s")
