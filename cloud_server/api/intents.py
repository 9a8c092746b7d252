"""`POST /v1/intents`: a deferred utterance is answered, whole or streamed."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Body, Request
from fastapi.responses import JSONResponse
from starlette.responses import Response
from starlette.types import Scope

from cloud_server.api.answering import Answering
from cloud_server.api.deadline import DeadlineHeader, deadline_seconds
from cloud_server.api.errors import remember_request_id
from cloud_server.api.event_stream import MEDIA_TYPE, EventStreamResponse, encode_event, failure
from cloud_server.api.examples import INTENT_EXAMPLES, INTENT_RESPONSES
from cloud_server.api.presence import CLIENT_CLOSED_REQUEST, cancel_when_gone
from cloud_server.api.service import Service
from shared.errors import ShadowdogError
from shared.messages import DEFAULT_DEADLINE_MS, IntentReply, IntentRequest, TokenEvent


def intents_router(service: Service, max_deadline_s: float) -> APIRouter:
    """Return the route that answers with the service's engine."""
    router = APIRouter(tags=["dogs"])

    @router.post(
        "/v1/intents",
        response_model=IntentReply,
        responses=INTENT_RESPONSES,
        summary="Answer an utterance that a dog deferred",
    )
    async def answer_intent(
        body: Annotated[IntentRequest, Body(openapi_examples=INTENT_EXAMPLES)],
        request: Request,
        deadline: DeadlineHeader = None,
    ) -> Response:
        """Streamed as `token` events and a `done` where `Accept` asks for `text/event-stream`.

        `skills` is the only field that may move a dog. An utterance such as "do it again" means
        the last skill of its session, or of `recent`: what the dog did on its own since. `say` ends
        before it says the same a third time.
        """
        remember_request_id(request.scope, body.request_id)
        deadline_s = deadline_seconds(deadline, DEFAULT_DEADLINE_MS / 1000, max_deadline_s)
        answering = Answering(service, request.state.caller, body, deadline_s)
        if MEDIA_TYPE in request.headers.get("accept", ""):
            return EventStreamResponse(_events(answering, request.scope), answering.cancel)
        return await _whole(answering, request)

    return router


async def _events(answering: Answering, scope: Scope) -> AsyncIterator[str]:
    try:
        async for event in answering.events():
            yield encode_event(event, "token" if isinstance(event, TokenEvent) else "done")
    except ShadowdogError as error:  # the status is sent already: the refusal travels as an event
        yield encode_event(failure(scope, error), "error")


async def _whole(answering: Answering, request: Request) -> Response:
    """Return the finished answer, unless the client goes away before it."""
    async with cancel_when_gone(request, answering.cancel):
        async for event in answering.events():
            if isinstance(event, IntentReply):
                return JSONResponse(event.model_dump())
    return Response(status_code=CLIENT_CLOSED_REQUEST)
