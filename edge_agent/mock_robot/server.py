"""The mock robot as a process: the DDS peer, and a loopback HTTP side to look at it."""

import contextlib
import ipaddress
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from edge_agent.mock_robot.peer import MockGo2
from edge_agent.mock_robot.sport_api import Posture
from shared.errors import ConfigurationError

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
PAGE_PATH = Path(__file__).with_name("page.html")
PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"
)
MAX_CALLS_ANSWERED = 5000


def run(
    domain: int,
    interface: str,
    host: str,
    port: int,
    *,
    posture: Posture = "standing",
    battery_percent: float = 92.0,
    unsupported: frozenset[int] = frozenset(),
) -> None:
    """Serve a mock dog until SIGTERM or SIGINT; blocks, and prints one line once it is ready.

    `port` 0 takes a free one; the line names it. `unsupported` are call ids that this dog's
    firmware answers with 3203. ConfigurationError where the place cannot be used or is taken.
    """
    check_loopback(host)
    listener = _listen(host, port)
    dog = MockGo2(
        domain,
        interface,
        posture=posture,
        battery_percent=battery_percent,
        unsupported=unsupported,
    )
    try:
        with contextlib.redirect_stdout(sys.stderr):  # the SDK prints as it starts
            dog.start()
        address = f"http://{_printed(host)}:{listener.getsockname()[1]}/"
        configuration = uvicorn.Config(
            make_app(dog), log_level="warning", access_log=False, timeout_graceful_shutdown=1
        )
        print(f"mock robot ready: DDS domain {domain} on {interface}, {address}", flush=True)
        _QuietServer(configuration).run(sockets=[listener])
    finally:
        listener.close()
        dog.stop()


class _QuietServer(uvicorn.Server):
    """uvicorn's server, which ends on a signal and does not raise it again afterwards."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        handled = (signal.SIGINT, signal.SIGTERM)
        before = {each: signal.signal(each, self.handle_exit) for each in handled}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)


def make_app(dog: MockGo2) -> FastAPI:
    """Return the HTTP side of a mock dog; it only looks, nothing here moves the dog."""
    app = FastAPI(title="mock Go2", docs_url=None, redoc_url=None, openapi_url=None)
    app.middleware("http")(_refuse_foreign_hosts)

    @app.get("/healthz")
    async def healthz() -> dict[str, Any]:
        return {"status": "ok", "domain": dog.domain, "interface": dog.interface}

    @app.get("/v1/state")
    async def state() -> dict[str, Any]:
        return asdict(dog.state())

    @app.get("/v1/calls")
    async def calls(
        after: int = 0, limit: int = Query(MAX_CALLS_ANSWERED, ge=1, le=MAX_CALLS_ANSWERED)
    ) -> dict[str, Any]:
        found = dog.calls(after)
        return {"total": dog.call_count, "calls": [asdict(call) for call in found[-limit:]]}

    @app.get("/")
    async def page() -> HTMLResponse:
        text = PAGE_PATH.read_text(encoding="utf-8")
        return HTMLResponse(text, headers={"Content-Security-Policy": PAGE_POLICY})

    return app


def check_loopback(host: str) -> None:
    """Raise ConfigurationError unless `host` is this machine's loopback."""
    if host == "localhost":
        return
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ConfigurationError(f"the mock robot listens on loopback only, not on {host!r}")


async def _refuse_foreign_hosts(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    """Refuse names that do not mean this machine: a web page could point its own name at us."""
    if request.url.hostname in LOOPBACK_NAMES:
        return await call_next(request)
    body = {
        "code": "forbidden",
        "message": "open the mock robot by localhost or 127.0.0.1",
        "request_id": "",
    }
    return JSONResponse(body, status_code=403)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"port {port} on {host} cannot be used ({error.strerror}); choose another one"
        ) from error
    return listener


def _printed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
