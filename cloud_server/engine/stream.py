"""One request's events on their way from the owner thread to the event loop."""

import asyncio
from collections.abc import Callable

from cloud_server.engine.request import Done, Event
from shared.errors import ShadowdogError


class EventStream:
    """An async iterator of Token events that ends with Done, with an error, or when cancelled.

    Made and read on one event loop; only `emit` may be called from another thread. The queue needs
    no bound of its own: a request's max_tokens bounds it.
    """

    def __init__(self, on_cancel: Callable[["EventStream"], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[Event | ShadowdogError | None] = asyncio.Queue()
        self._on_cancel = on_cancel
        self._ended = False
        self.cancelled = False

    def emit(self, event: Event | ShadowdogError) -> None:
        """Hand an event to the reader; called by the owner thread."""
        try:
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)
        except RuntimeError:  # the loop is closed: nobody is left to read
            self.cancelled = True

    def cancel(self) -> None:
        """Give the request up: its place is freed before the next token. Harmless after the end."""
        if self._ended or self.cancelled:
            return
        self.cancelled = True
        self._on_cancel(self)
        self._events.put_nowait(None)

    def __aiter__(self) -> "EventStream":
        return self

    async def __anext__(self) -> Event:
        """Return the next event; raises the error with which the engine gave the request up."""
        if self._ended:
            raise StopAsyncIteration
        event = await self._events.get()
        self._ended = not isinstance(event, Event) or isinstance(event, Done)
        if event is None:
            raise StopAsyncIteration
        if isinstance(event, ShadowdogError):
            raise event
        return event
