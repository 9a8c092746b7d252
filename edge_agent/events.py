"""The agent's events for whoever listens: outcomes and state, dropped for a listener that is too slow."""

import asyncio
import json
import math
from collections.abc import AsyncIterator
from typing import Any, Literal, NamedTuple

from shared.errors import Busy

QUEUE_EVENTS = 64
MAX_LISTENERS = 32


class Event(NamedTuple):
    """One event of the stream; `data` is the JSON text of its body."""

    name: Literal["outcome", "state"]
    data: str


class EventHub:
    """Hands every event to every listener; belongs to one event loop."""

    def __init__(self, max_listeners: int = MAX_LISTENERS) -> None:
        self._queues: set[asyncio.Queue[Event | None]] = set()
        self._max_listeners = max_listeners
        self._closed = False

    @property
    def listeners(self) -> int:
        return len(self._queues)

    def publish(self, name: Literal["outcome", "state"], data: str) -> None:
        """Give an event to every listener; a full queue loses its oldest."""
        for queue in self._queues:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(Event(name, data))

    def publish_state(self, state: dict[str, Any], told: str) -> str:
        """Publish a state unless its news read as those `told` last; return how they read now."""
        news = json.dumps(_news(state))
        if news != told:
            self.publish("state", state_event(state).data)
        return news

    def subscribe(self) -> "Subscription":
        """Return a new listener's place; Busy where there are too many already."""
        if len(self._queues) >= self._max_listeners:
            raise Busy("too many listen to the events already; close a page")
        queue: asyncio.Queue[Event | None] = asyncio.Queue(QUEUE_EVENTS)
        if self._closed:
            queue.put_nowait(None)
        self._queues.add(queue)
        return Subscription(queue, self._queues)

    def close(self) -> None:
        """End every stream, so that the server can stop."""
        self._closed = True
        for queue in self._queues:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(None)


class Subscription:
    """One listener's events; leave it with `close`."""

    def __init__(
        self, queue: "asyncio.Queue[Event | None]", queues: "set[asyncio.Queue[Event | None]]"
    ) -> None:
        self._queue = queue
        self._queues = queues

    async def events(self, heartbeat_s: float) -> AsyncIterator[Event | None]:
        """Yield events until the hub closes; None when nothing happened for `heartbeat_s`."""
        while True:
            try:
                event = await asyncio.wait_for(self._queue.get(), heartbeat_s)
            except asyncio.TimeoutError:  # not the builtin one in Python 3.10
                yield None
                continue
            if event is None:
                return
            yield event

    def close(self) -> None:
        self._queues.discard(self._queue)


def state_event(state: dict[str, Any]) -> Event:
    """Return a state as an event, without the age of the robot's state, which is no news."""
    shown = {**_news(state), "confirmation": state["confirmation"]}
    return Event("state", json.dumps(shown, ensure_ascii=False))


def _news(state: dict[str, Any]) -> dict[str, Any]:
    """Return a state without what changes only because time passes."""
    question = state["confirmation"]
    return {
        **state,
        "robot": {**state["robot"], "age_s": None},
        "confirmation": question and {**question, "left_s": None},
    }


def encode_event(event: Event | None) -> bytes:
    """Return an event as server-sent text; None becomes a comment that keeps the connection."""
    if event is None:
        return b": still here\n\n"
    return f"event: {event.name}\ndata: {event.data}\n\n".encode()


def plain(value: Any) -> Any:
    """Return what JSON can carry: numbers rounded for people, those that are none as null."""
    if isinstance(value, float):
        return round(value, 3) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value
