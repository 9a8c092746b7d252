"""`POST /v1/audio`: a recording as a body becomes an outcome; nothing of it is kept.

`POST /v1/audio/early`: what was said so far, from a caller whose speaker pauses; it becomes no outcome.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Literal

from fastapi import FastAPI, Request
from starlette.requests import ClientDisconnect

from edge_agent.agent import Agent
from edge_agent.refusals import media_type
from edge_agent.speech.recording import Container, decode_recording
from shared.errors import AudioUnsupported, Busy, DeadlinePassed, RequestError
from shared.messages import Name, RequestId
from shared.outcome import Outcome

PATH = "/v1/audio"
EARLY_PATH = "/v1/audio/early"
MAX_AT_ONCE = 4
"""Recordings that are received and decoded at once; each may hold its bound in memory."""
RECEIVE_TIMEOUT_S = 20.0

CONTAINERS: dict[str, Container] = {
    **dict.fromkeys(("audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave"), "wav"),
    **dict.fromkeys(("audio/webm", "video/webm"), "webm"),
}
"""By media type. None of them is one that a form of another site could send without asking first."""


class Desk:
    """Receives and decodes a few recordings at once, off the event loop."""

    def __init__(self, places: int = MAX_AT_ONCE) -> None:
        self._places = places
        self._receive_timeout_s = RECEIVE_TIMEOUT_S
        self._taken = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold one of the places; Busy where all are taken."""
        if self._taken >= self._places:
            raise Busy("too many recordings arrive at once; try again in a moment")
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1

    async def receive(self, request: Request) -> bytes:
        """Return the body, which the guard bounds; DeadlinePassed where it takes too long."""
        try:
            return await asyncio.wait_for(request.body(), self._receive_timeout_s)
        except asyncio.TimeoutError:  # not the builtin one in Python 3.10
            raise DeadlinePassed(
                f"the recording did not arrive within {self._receive_timeout_s:.0f} s"
            ) from None
        except ClientDisconnect:
            raise RequestError("the recording was cut off") from None


def add_recordings(app: FastAPI, agent: Agent) -> None:
    """Serve PATH and EARLY_PATH."""
    desk, early_desk = Desk(), Desk(1)  # what is early takes no place from what is whole

    @app.post(PATH)
    async def hear_recording(
        request: Request,
        source: Literal["audio", "microphone"] = "audio",
        push_to_talk: bool = True,
        session_id: Annotated[Name | None, "the conversation that it belongs to"] = None,
        request_id: Annotated[RequestId | None, "the caller's own id"] = None,
    ) -> Outcome:
        # What was said before a stop must not move the dog after it, however long it took to arrive.
        stopped = agent.stopped
        container = _container(media_type(request))
        async with desk.place():
            data = await desk.receive(request)
            samples = await asyncio.to_thread(decode_recording, data, container)
        del data
        return await agent.hear(
            samples,
            source,
            push_to_talk=push_to_talk,
            session_id=session_id,
            request_id=request_id,
            stopped=stopped,
        )

    @app.post(EARLY_PATH, status_code=202)
    async def anticipate_recording(request: Request) -> dict[str, bool]:
        container = _container(media_type(request))
        async with early_desk.place():
            data = await early_desk.receive(request)
            samples = await asyncio.to_thread(decode_recording, data, container)
        return {"begun": agent.anticipate(samples)}


def _container(kind: str) -> Container:
    if kind not in CONTAINERS:
        raise AudioUnsupported("send a recording as audio/wav or audio/webm (Opus)")
    return CONTAINERS[kind]
