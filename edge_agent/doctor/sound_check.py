"""Ears and voice: microphones where speech is installed, and what the dog can speak through."""

import importlib
import importlib.util
import shutil
from collections.abc import Callable, Sequence
from typing import Any

from edge_agent.audio.speaker import PLAYERS
from edge_agent.doctor.finding import Finding, ok, skipped, warning

Which = Callable[[str], str | None]


def check_microphone(query: Callable[[], Sequence[Any]] | None = None) -> Finding:
    """Say which microphones there are; that speech is not installed is no fault."""
    if query is None:
        if importlib.util.find_spec("sounddevice") is None:
            return skipped("microphone", "speech is not installed; text and HTTP work without it")
        query = _query_devices
    try:
        inputs = [str(each["name"]) for each in query() if each["max_input_channels"] > 0]
    except (OSError, RuntimeError) as error:
        return warning(
            "microphone",
            f"the sound system cannot be asked ({error})",
            "`apt-get install libportaudio2`",
        )
    if not inputs:
        return warning("microphone", "there is none", "plug one in; text and HTTP work without it")
    return ok("microphone", ", ".join(inputs))


def check_voice(voice: str, synthesizer: str, which: Which = shutil.which) -> Finding:
    """Say what lines and barks sound through, as far as this computer decides it."""
    if voice == "text":
        return ok("voice", "lines are text only (EDGE_VOICE=text)")
    player = next((each[0] for each in PLAYERS if which(each[0])), None)
    missing = []
    if which(synthesizer) is None:
        missing.append((synthesizer, f"install {synthesizer}; without it lines stay text"))
    if player is None and voice == "speaker":
        missing.append(("a player", "`apt-get install alsa-utils`"))
    if missing:
        names = " and ".join(name for name, _ in missing)
        return warning("voice", f"{names} is missing", "; ".join(todo for _, todo in missing))
    through = {
        "robot": "the dog's loudspeaker",
        "speaker": f"this computer's speaker ({player})",
        "auto": "the dog's loudspeaker" + (f", else {player}" if player else ", else text"),
    }
    return ok("voice", f"{synthesizer} through {through[voice]}")


def _query_devices() -> Sequence[Any]:
    devices: Sequence[Any] = importlib.import_module("sounddevice").query_devices()
    return devices
