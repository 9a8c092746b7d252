"""What every request passes before any route sees it: an id, the key, and a bound on its body."""

from uuid import uuid4

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud_server.api.errors import refusal, remember_request_id
from cloud_server.api.keys import Keys
from shared.errors import ShadowdogError, TooLarge, Unauthorized

OPEN_PATHS = frozenset({"/healthz", "/readyz"})
"""What needs no key; everything else, known or not, does."""


class Guard:
    """An ASGI middleware; refuses with 401 before a byte of the body is read, and with 413."""

    def __init__(self, app: ASGIApp, keys: Keys, max_body_bytes: int) -> None:
        self._app = app
        self._keys = keys
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        remember_request_id(scope, str(uuid4()))
        if error := self._refuse(scope):
            await refusal(scope, error)(scope, receive, send)
            return
        await self._app(scope, self._bounded(receive), send)

    def _refuse(self, scope: Scope) -> ShadowdogError | None:
        headers = dict(scope["headers"])
        if scope["path"] not in OPEN_PATHS and not self._keys.open_with(
            headers.get(b"authorization")
        ):
            return Unauthorized("send a key of this service as `Authorization: Bearer <key>`")
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdecimal() and int(declared) > self._max_body_bytes:
            return TooLarge(self._too_large())
        return None

    def _too_large(self) -> str:
        return f"a body may have at most {self._max_body_bytes} bytes"

    def _bounded(self, receive: Receive) -> Receive:
        received_bytes = 0

        async def bounded() -> Message:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            if received_bytes > self._max_body_bytes:
                # An HTTPException, because FastAPI turns any other error in a body into a 400.
                raise HTTPException(TooLarge.status, self._too_large())
            return message

        return bounded
