"""What every HTTP request passes before any route sees it: Host, Origin, pairing token, body size."""

import hmac
import ipaddress
import socket
from collections.abc import Iterable, Mapping
from typing import Protocol
from urllib.parse import urlsplit
from uuid import uuid4

from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge_agent.refusals import refusal, remember_request_id
from edge_agent.settings import is_loopback
from shared.errors import Forbidden, RequestError, ShadowdogError, TooLarge, Unauthorized

OPEN_PATHS = frozenset({"/", "/healthz"})
"""What needs no token: the page, which holds nothing secret, and the sign of life."""

MAX_BODY_BYTES = 1 << 20


class Place(Protocol):
    """Where a server listens and whom it lets in; `EdgeSettings` is one."""

    @property
    def host(self) -> str: ...
    @property
    def pairing_token(self) -> SecretStr | None: ...
    @property
    def allowed_hosts(self) -> tuple[str, ...]: ...


class Guard:
    """An ASGI middleware that lets only this server's own callers in.

    A Host that is none of the server's names is DNS rebinding; an Origin other than the Host is
    another site's page (CSRF). With a token set, every path beside OPEN_PATHS and those under
    `open_folder` needs it. `larger_bodies` gives paths a bound of their own, in bytes.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Place,
        max_body_bytes: int = MAX_BODY_BYTES,
        open_folder: str | None = None,
        larger_bodies: Mapping[str, int] | None = None,
    ) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._open_folder = open_folder
        self._larger_bodies = dict(larger_bodies or {})
        token = settings.pairing_token
        self._token = token.get_secret_value().encode() if token else None
        self._local_only = is_loopback(settings.host)
        own = () if self._local_only else _own_names()
        self._names = frozenset(
            name.lower() for name in ("localhost", *settings.allowed_hosts, *own)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # no web sockets here
            return
        remember_request_id(scope, str(uuid4()))
        if error := self._refuse(scope["path"], Headers(scope=scope)):
            await refusal(scope, error)(scope, receive, send)
            return
        await self._app(scope, self._bounded(receive, self._limit(scope["path"])), send)

    def _refuse(self, path: str, headers: Headers) -> ShadowdogError | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_own(hosts[0]):
            return Forbidden(
                "this Host is none of this server's; use its address, or add the name to "
                "EDGE_ALLOWED_HOSTS"
            )
        if any(not _same_origin(origin, hosts[0]) for origin in headers.getlist("origin")):
            return Forbidden("another site's page may not call this server")
        if headers.get("sec-fetch-site") in ("cross-site", "same-site") and path != "/":
            return Forbidden("another site's page may not call this server")
        if self._token is not None and not self._is_open(path) and not self._paired(headers):
            return Unauthorized("send the pairing token as `Authorization: Bearer <token>`")
        declared = headers.get("content-length", "0")
        if not declared.isdecimal():
            return RequestError("the Content-Length is no number")
        if int(declared) > self._limit(path):
            return TooLarge(_too_large(self._limit(path)))
        return None

    def _is_open(self, path: str) -> bool:
        in_folder = self._open_folder is not None and path.startswith(self._open_folder)
        return path in OPEN_PATHS or in_folder

    def _is_own(self, host: str) -> bool:
        name = _host_name(host)
        if name is None:
            return False
        if name in self._names or is_loopback(name):
            return True
        # A bare address cannot be rebound: only a name can come to mean another machine.
        return not self._local_only and _is_address(name)

    def _paired(self, headers: Headers) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        return (
            self._token is not None
            and scheme.lower() == "bearer"
            and hmac.compare_digest(given.strip().encode("utf-8", "replace"), self._token)
        )

    def _limit(self, path: str) -> int:
        return self._larger_bodies.get(path, self._max_body_bytes)

    def _bounded(self, receive: Receive, max_bytes: int) -> Receive:
        received_bytes = 0

        async def bounded() -> Message:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            if received_bytes > max_bytes:
                # An HTTPException, because FastAPI turns any other error in a body into a 400.
                raise HTTPException(TooLarge.status, _too_large(max_bytes))
            return message

        return bounded


def _too_large(max_bytes: int) -> str:
    return f"a body may have at most {max_bytes} bytes"


def _own_names() -> Iterable[str]:
    name = socket.gethostname()
    return (name, f"{name}.local", socket.getfqdn())


def _host_name(host: str) -> str | None:
    """Return the name of a Host header without its port, None where it is malformed."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # raises for a port that is none
    except ValueError:
        return None
    if parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        return None
    return parts.hostname


def _same_origin(origin: str, host: str) -> bool:
    """Return whether a page of `origin` ("null" included) was served under `host`."""
    scheme, separator, netloc = origin.partition("://")
    if not separator or scheme not in ("http", "https"):
        return False
    default = ":443" if scheme == "https" else ":80"
    return netloc.lower().removesuffix(default) == host.lower().removesuffix(default)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
