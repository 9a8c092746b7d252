"""The dog's own loudspeaker, through the unofficial `audiohub` service.

Its calls are as the dog's users describe them (unitree_webrtc_connect and what builds on it); they
were tried on the mock only. 4001 opens the megaphone, each 4003 brings a block of a base64 WAV
(44.1 kHz, mono, 16 bit) with its number, 4002 closes it and ends what plays. A Go2 Air has none.
"""

import asyncio
import base64
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from edge_agent.audio.sound import Absent, Sound
from edge_agent.robot.dds_domain import join_domain
from shared.errors import ConfigurationError

SERVICE = "audiohub"
API_VERSION = "1.0.0.1"
ENTER_MEGAPHONE, EXIT_MEGAPHONE, UPLOAD_MEGAPHONE = 4001, 4002, 4003
RATE_HZ = 44_100
BLOCK_CHARACTERS = 4096
BLOCK_PAUSE_S = 0.02
"""Between two blocks; they go out faster than they would sound."""
CALL_TIMEOUT_S = 1.0
TAIL_S = 0.3


class RobotSpeaker:
    """The loudspeaker of the dog in a DDS domain; on one thread of its own, apart from motion."""

    name = "robot"

    def __init__(self, domain: int, interface: str) -> None:
        self._place = (domain, interface)
        self._client: Any = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audio")

    async def play(self, sound: Sound) -> Absent | None:
        """Upload a sound and wait until it has sounded; Absent where the dog does not take it."""
        absent = await self._open()
        if absent is not None:
            return absent
        try:
            absent = await self._call(ENTER_MEGAPHONE, {})
            return absent or await self._upload(sound.at_rate(RATE_HZ))
        finally:
            if absent is None:  # also when cancelled: closing ends what plays
                await self._call(EXIT_MEGAPHONE, {})

    async def close(self) -> None:
        """Let go of the thread; a call under way ends by its own time-out."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _upload(self, sound: Sound) -> Absent | None:
        for block in upload_blocks(sound.to_wav()):
            absent = await self._call(UPLOAD_MEGAPHONE, block)
            if absent is not None:
                return absent
            await asyncio.sleep(BLOCK_PAUSE_S)
        # Whether it sounds from the first block or after the last one is not known: wait for both.
        await asyncio.sleep(sound.seconds + TAIL_S)
        return None

    async def _open(self) -> Absent | None:
        if self._client is not None:
            return None
        loop = asyncio.get_running_loop()
        try:
            self._client = await loop.run_in_executor(self._thread, _make_client, *self._place)
        except ConfigurationError as error:
            return Absent(error.message)
        return None

    async def _call(self, api_id: int, parameter: dict[str, Any]) -> Absent | None:
        loop = asyncio.get_running_loop()
        text = json.dumps(parameter)
        code, _ = await loop.run_in_executor(self._thread, self._client._Call, api_id, text)
        if code == 0:
            return None
        return Absent(f"the dog's audio service answers {api_id} with {code}; a Go2 Air has none")


def upload_blocks(wav: bytes) -> list[dict[str, Any]]:
    """Return the parameters of the 4003 calls that bring a WAV file; blocks count from 1."""
    text = base64.b64encode(wav).decode("ascii")
    parts = [
        text[start : start + BLOCK_CHARACTERS] for start in range(0, len(text), BLOCK_CHARACTERS)
    ]
    return [
        {
            "current_block_size": len(part),
            "block_content": part,
            "current_block_index": index,
            "total_block_number": len(parts),
        }
        for index, part in enumerate(parts, start=1)
    ]


def _make_client(domain: int, interface: str) -> Any:
    """Return the SDK's plain client of the service; about a second, which the SDK sleeps."""
    join_domain(domain, interface)
    from unitree_sdk2py.rpc.client import Client

    client = Client(SERVICE, False)
    client.SetTimeout(CALL_TIMEOUT_S)
    client._SetApiVerson(API_VERSION)
    for api_id in (ENTER_MEGAPHONE, EXIT_MEGAPHONE, UPLOAD_MEGAPHONE):
        client._RegistApi(api_id, 0)
    return client
