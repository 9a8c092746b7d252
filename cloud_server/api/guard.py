"""What every request passes before any route sees it: its key, what that key may, and a bound on its body."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud_server.api.errors import refusal
from cloud_server.api.keys import Key, Keys
from cloud_server.api.quotas import Quotas
from shared.errors import Forbidden, ShadowdogError, TooLarge, Unauthorized

OPEN_PATHS = frozenset({"/healthz", "/readyz"})
"""What needs no key; everything else, known or not, does."""
ADMIN_PATH = "/v1/shadows"
"""Everything here and below needs an admin key, on loopback too."""
ANYONE = "anyone"
"""The caller's name where the service has no keys."""
_READING = ("GET", "HEAD")


class Guard:
    """An ASGI middleware; refuses before a byte of the body is read, but for 413.

    A caller's key opens everything but ADMIN_PATH. An admin key opens ADMIN_PATH and whatever only
    reads (`/metrics`, `/v1/models`): it asks nothing of the model. Without any caller's key, which
    only loopback may be, the API is open to everybody but for ADMIN_PATH. What a caller's key asks
    beyond reading is counted against its quota, until its answer has been sent.
    """

    def __init__(self, app: ASGIApp, keys: Keys, quotas: Quotas, max_body_bytes: int) -> None:
        self._app = app
        self._keys = keys
        self._quotas = quotas
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        counted: Key | None = None
        try:
            key = self._admit(scope)
            if key is not None and key.role == "caller" and scope["method"] not in _READING:
                self._quotas.enter(key.name)
                counted = key
        except ShadowdogError as error:
            await refusal(scope, error)(scope, receive, send)
            return
        try:
            await self._app(scope, self._bounded(receive), send)
        finally:
            if counted is not None:
                self._quotas.leave(counted.name)

    def _admit(self, scope: Scope) -> Key | None:
        """Return the key that opens this request, None where none is needed; raise the refusal."""
        headers = Headers(scope=scope)
        path: str = scope["path"]
        key = self._keys.find(dict(scope["headers"]).get(b"authorization"))
        scope["state"]["caller"] = key.name if key else ANYONE
        if path not in OPEN_PATHS:
            self._check_role(path, scope["method"], key)
        declared = headers.get("content-length", "0")
        if declared.isdecimal() and int(declared) > self._max_body_bytes:
            raise TooLarge(self._too_large())
        return key

    def _check_role(self, path: str, method: str, key: Key | None) -> None:
        is_administration = path == ADMIN_PATH or path.startswith(f"{ADMIN_PATH}/")
        if key is None and not (self._keys.open and not is_administration):
            if self._keys.open and not self._keys.administrable:
                raise Forbidden("this service has no admin key; set CLOUD_ADMIN_KEY_FILE")
            raise Unauthorized("send a key of this service as `Authorization: Bearer <key>`")
        if key is None:
            return
        if is_administration and key.role != "admin":
            raise Forbidden("this takes an admin key")
        if not is_administration and key.role == "admin" and method not in _READING:
            raise Forbidden("an admin key loads and unloads shadows; ask with a caller's key")

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
