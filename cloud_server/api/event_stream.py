"""Server-sent events of one utterance: `token` ..., then `done`, or `error` where the engine fails."""

from collections.abc import AsyncIterator

from pydantic import BaseModel
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from cloud_server.api.answering import Answering
from shared.errors import ShadowdogError
from shared.messages import ErrorBody, TokenEvent

MEDIA_TYPE = "text/event-stream"


class EventStreamResponse(StreamingResponse):
    """Streams an answer, and gives it up as soon as the client goes away."""

    media_type = MEDIA_TYPE

    def __init__(self, answering: Answering, request_id: str) -> None:
        # The last header keeps proxies from gathering tokens before they pass them on.
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(_events(answering, request_id), headers=headers)
        self._answering = answering

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._answering.cancel()


async def _events(answering: Answering, request_id: str) -> AsyncIterator[str]:
    try:
        async for event in answering.events():
            yield _event("token" if isinstance(event, TokenEvent) else "done", event)
    except ShadowdogError as error:  # the status is sent already: the refusal travels as an event
        body = ErrorBody(code=error.code, message=error.message, request_id=request_id)
        yield _event("error", body)


def _event(name: str, data: BaseModel) -> str:
    return f"event: {name}\ndata: {data.model_dump_json()}\n\n"
