"""Server-sent events of one answer, which is given up as soon as its client goes away."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from pydantic import BaseModel
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from cloud_server.api.errors import error_body
from shared.errors import ShadowdogError

MEDIA_TYPE = "text/event-stream"


class EventStreamResponse(StreamingResponse):
    """Sends events; `cancel` is called at the end, whether the client is there or gone."""

    media_type = MEDIA_TYPE

    def __init__(self, events: AsyncIterator[str], cancel: Callable[[], None]) -> None:
        # The last header keeps proxies from gathering tokens before they pass them on.
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(events, headers=headers)
        self._cancel = cancel

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._cancel()


def encode_event(data: BaseModel | dict[str, Any] | str, name: str | None = None) -> str:
    """Return one event: a body as JSON, or a word as it is."""
    if isinstance(data, BaseModel):
        text = data.model_dump_json(exclude_unset=True)
    else:
        text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return f"event: {name}\ndata: {text}\n\n" if name else f"data: {text}\n\n"


def failure(scope: Scope, error: ShadowdogError) -> dict[str, Any]:
    """Return the body of an error that comes when the status is sent already."""
    return error_body(scope, error.code, error.message, error.status)
