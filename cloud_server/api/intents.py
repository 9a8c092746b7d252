"""`POST /v1/intents`: a deferred utterance is answered, whole or streamed."""

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.responses import Response

from cloud_server.api.answering import Answering
from cloud_server.api.deadline import read_deadline_s
from cloud_server.api.errors import remember_request_id
from cloud_server.api.event_stream import MEDIA_TYPE, EventStreamResponse
from cloud_server.engine import Engine
from shared.messages import IntentReply, IntentRequest

CLIENT_CLOSED_REQUEST = 499
"""The status that a log shows where the client went away; nobody is left to read it."""


def intents_router(engine: Engine, max_deadline_s: float) -> APIRouter:
    """Return the route that answers with `engine`."""
    router = APIRouter()

    @router.post("/v1/intents", response_model=IntentReply)
    async def answer_intent(body: IntentRequest, request: Request) -> Response:
        remember_request_id(request.scope, body.request_id)
        deadline_s = read_deadline_s(request.headers, max_deadline_s)
        answering = Answering(engine, body, deadline_s)
        if MEDIA_TYPE in request.headers.get("accept", ""):
            return EventStreamResponse(answering, body.request_id)
        return await _whole(answering, request)

    return router


async def _whole(answering: Answering, request: Request) -> Response:
    """Return the finished answer, unless the client goes away before it."""
    watcher = asyncio.create_task(_cancel_when_gone(answering, request))
    try:
        async for event in answering.events():
            if isinstance(event, IntentReply):
                return JSONResponse(event.model_dump())
    finally:
        watcher.cancel()
        answering.cancel()
    return Response(status_code=CLIENT_CLOSED_REQUEST)


async def _cancel_when_gone(answering: Answering, request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    answering.cancel()
