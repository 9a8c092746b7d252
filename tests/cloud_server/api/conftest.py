"""The app in this process over ASGI, and requests to it."""

import asyncio
import threading
from collections.abc import Callable

import httpx
import pytest

from cloud_server.app import create_app
from cloud_server.engine import EventStream
from cloud_server.settings import CloudSettings

GUARD_S = 30
"""Ends a test that would hang; no test is measured by it."""


@pytest.fixture
def exchange() -> Callable[..., list[httpx.Response]]:
    """Return a function that sends requests, one after the other, to an app with a loaded model."""

    def send(served, *requests: httpx.Request, **settings) -> list[httpx.Response]:
        async def go() -> list[httpx.Response]:
            app = create_app(CloudSettings.from_environment(**settings), lambda: served)
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with (
                app.router.lifespan_context(app),
                httpx.AsyncClient(transport=transport) as client,
            ):
                await asyncio.wrap_future(app.state.engine.loaded)
                return [await client.send(request) for request in requests]

        return asyncio.run(asyncio.wait_for(go(), GUARD_S))

    return send


@pytest.fixture
def intent() -> Callable[..., httpx.Request]:
    """Return a maker of `POST /v1/intents`; named arguments change the body."""

    def make(headers=None, url="http://cloud", **changes) -> httpx.Request:
        body = {
            "request_id": "q-1",
            "robot_id": "dog",
            "session_id": "s",
            "text": "hi",
            "lang": "en",
        }
        return httpx.Request(
            "POST", f"{url}/v1/intents", json={**body, **changes}, headers=headers or {}
        )

    return make


@pytest.fixture
def cancelled(monkeypatch) -> threading.Event:
    """Set as soon as any request's stream has been cancelled."""
    happened = threading.Event()
    cancel = EventStream.cancel

    def cancel_and_tell(stream):
        ended = stream._ended
        cancel(stream)
        if not ended:
            happened.set()

    monkeypatch.setattr(EventStream, "cancel", cancel_and_tell)
    return happened
