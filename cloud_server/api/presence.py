"""Whether the client of an answer that is sent whole is still there."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import Request

CLIENT_CLOSED_REQUEST = 499
"""The status that a log shows where the client went away; nobody is left to read it."""


@asynccontextmanager
async def cancel_when_gone(request: Request, cancel: Callable[[], None]) -> AsyncIterator[None]:
    """Call `cancel` as soon as the client goes away, and at the end in any case."""
    watcher = asyncio.create_task(_cancel_when_gone(request, cancel))
    try:
        yield
    finally:
        watcher.cancel()
        cancel()


async def _cancel_when_gone(request: Request, cancel: Callable[[], None]) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    cancel()
