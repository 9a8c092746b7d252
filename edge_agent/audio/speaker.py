"""Ways to play a sound: the protocol, and this computer's own speaker."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Protocol

from edge_agent.audio.program import run_program
from edge_agent.audio.sound import Absent, Sound

PLAYERS: tuple[tuple[str, ...], ...] = (("pw-play",), ("paplay",), ("aplay", "-q"))
"""Programs that play a WAV file, the first that is installed is used."""
EXTRA_S = 10.0


class Output(Protocol):
    """Something that plays sounds one at a time; no method blocks the event loop."""

    @property
    def name(self) -> str:
        """The word for it in settings and state: "robot" or "speaker"."""

    async def play(self, sound: Sound) -> Absent | None:
        """Play to the end, or return why it cannot; a cancelled call falls silent at once."""

    async def close(self) -> None:
        """Let go of it."""


class ComputerSpeaker:
    """This computer's speaker, through the player of its sound system."""

    name = "speaker"

    async def play(self, sound: Sound) -> Absent | None:
        player = next((each for each in PLAYERS if shutil.which(each[0])), None)
        if player is None:
            names = ", ".join(each[0] for each in PLAYERS)
            return Absent(f"no player is installed ({names}); `apt-get install alsa-utils`")
        with tempfile.TemporaryDirectory(prefix="shadowdog-sound-") as folder:
            file = Path(folder) / "sound.wav"
            await asyncio.to_thread(file.write_bytes, sound.to_wav())
            done = await run_program([*player, str(file)], timeout_s=sound.seconds + EXTRA_S)
        if done is None or done.status != 0:
            return Absent(f"{player[0]} cannot play ({done.complaint if done else 'no answer'})")
        return None

    async def close(self) -> None:
        """Nothing is held between sounds."""
