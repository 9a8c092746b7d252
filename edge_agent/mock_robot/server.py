"""The mock robot as a process: the DDS peer, and an HTTP side to look at it and to break it."""

import base64
import contextlib
import hashlib
import re
import signal
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Query
from fastapi.responses import HTMLResponse, Response
from pydantic import SecretStr
from starlette.staticfiles import StaticFiles

from edge_agent.guard import Guard
from edge_agent.mock_robot.fault_script import read_fault_script
from edge_agent.mock_robot.peer import MockGo2
from edge_agent.mock_robot.sport_api import SPORT, Posture
from edge_agent.refusals import install_refusals
from edge_agent.settings import is_loopback
from shared.errors import ConfigurationError, NotFound
from shared.listening import listen, printed_host

PAGE_PATH = Path(__file__).with_name("page.html")
PAGE_FOLDER = Path(__file__).with_name("page")
MAX_CALLS_ANSWERED = 5000
EVERY_SERVICE = "all"


@dataclass(frozen=True)
class ViewPlace:
    """Where the view listens; ConfigurationError beyond loopback without a pairing token.

    Whoever reaches the view can make the dog fall, so it is guarded as the agent is.
    """

    host: str = "127.0.0.1"
    pairing_token: SecretStr | None = None
    allowed_hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not is_loopback(self.host) and self.pairing_token is None:
            raise ConfigurationError(
                f"whoever reaches {self.host} could break the mock dog: set EDGE_PAIRING_TOKEN, or "
                "keep --host 127.0.0.1"
            )


def run(
    domain: int,
    interface: str,
    host: str,
    port: int,
    *,
    posture: Posture = "standing",
    battery_percent: float = 92.0,
    unsupported: frozenset[int] = frozenset(),
    speed: float = 1.0,
    faults: Path | None = None,
    pairing_token: SecretStr | None = None,
    allowed_hosts: tuple[str, ...] = (),
) -> None:
    """Serve a mock dog until SIGTERM or SIGINT; blocks, and prints one line once it is ready.

    `port` 0 takes a free one; the line names it. `unsupported` are call ids that this dog's
    firmware answers with 3203; it lives `speed` times as fast as the clock, and `faults` is a script
    of what goes wrong with it (`fault_script.py`). ConfigurationError where the place cannot be used or is taken, or
    where `host` is not loopback and there is no token.
    """
    place = ViewPlace(host, pairing_token, allowed_hosts)
    listener = listen(host, port, "give another --port")
    dog = MockGo2(
        domain,
        interface,
        posture=posture,
        battery_percent=battery_percent,
        unsupported=unsupported,
        speed=speed,
    )
    if faults is not None:
        dog.plan(read_fault_script(faults))
    try:
        with contextlib.redirect_stdout(sys.stderr):  # the SDK prints as it starts
            dog.start()
        address = f"http://{printed_host(host)}:{listener.getsockname()[1]}/"
        configuration = uvicorn.Config(
            make_app(dog, place), log_level="warning", access_log=False, timeout_graceful_shutdown=1
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


def make_app(dog: MockGo2, place: ViewPlace | None = None) -> FastAPI:
    """Return the HTTP side of a mock dog: its state, calls and page to see, its faults to switch."""
    app = FastAPI(title="mock Go2", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Guard, settings=place or ViewPlace(), open_folder="/page/")
    install_refusals(app)
    _add_views(app, dog)
    _add_faults(app, dog)
    return app


def _add_views(app: FastAPI, dog: MockGo2) -> None:
    page = PAGE_PATH.read_text(encoding="utf-8")
    headers = {"Content-Security-Policy": page_policy(page), "Cache-Control": "no-store"}

    @app.get("/healthz")
    async def healthz() -> dict[str, Any]:
        return {"status": "ok", "domain": dog.domain, "interface": dog.interface}

    @app.get("/v1/state")
    async def state() -> dict[str, Any]:
        return asdict(dog.state())

    @app.get("/v1/calls")
    async def calls(
        after: int = 0,
        limit: int = Query(MAX_CALLS_ANSWERED, ge=1, le=MAX_CALLS_ANSWERED),
        service: str = SPORT,
    ) -> dict[str, Any]:
        found = dog.calls(after, None if service == EVERY_SERVICE else service)
        return {"total": dog.call_count, "calls": [asdict(call) for call in found[-limit:]]}

    @app.get("/v1/sounds")
    async def sounds() -> dict[str, Any]:
        total, is_open = dog.audio_status()
        return {"total": total, "open": is_open}

    @app.get("/v1/sounds/{number}")
    async def sound(number: int) -> Response:
        """The sound that was the `number`th to reach the loudspeaker, counted from 1."""
        kept, (total, _) = dog.audio_uploads(), dog.audio_status()
        if not total - len(kept) < number <= total:
            raise NotFound(f"sound {number} is not kept; the last is {total}")
        return Response(kept[number - 1 - total], media_type="audio/wav")

    @app.get("/")
    async def show_page() -> HTMLResponse:
        return HTMLResponse(page, headers=headers)

    app.mount("/page", _PageFiles(directory=PAGE_FOLDER))


def _add_faults(app: FastAPI, dog: MockGo2) -> None:
    @app.get("/faults")
    async def faults() -> dict[str, Any]:
        return {"faults": dog.faults.describe()}

    # Not `async`: a switch may wait for the dog's lock.
    @app.post("/faults")
    def switch_fault(wish: dict[str, Any]) -> dict[str, Any]:
        return dog.faults.command(wish)

    @app.delete("/faults")
    def clear_faults() -> dict[str, Any]:
        dog.faults.clear()
        return {"faults": dog.faults.describe()}


def page_policy(page: str) -> str:
    """Return the page's Content-Security-Policy: its own files, and its import map by its hash."""
    [import_map] = re.findall(r'<script type="importmap">(.*?)</script>', page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(import_map.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'self' 'sha256-{digest}'; style-src 'self'; "
        "connect-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; "
        "form-action 'none'"
    )


class _PageFiles(StaticFiles):
    """The page's files, asked for again each time, so that a newer page never runs older parts."""

    def file_response(self, *arguments: Any, **more: Any) -> Response:
        response = super().file_response(*arguments, **more)
        response.headers["Cache-Control"] = "no-cache"
        return response
