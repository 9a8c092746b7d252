"""What the routes need of an engine: the embedded one, or one whose model runs elsewhere."""

from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol

from cloud_server.engine.request import GenerationRequest
from cloud_server.engine.served_base import Served, ServedName
from cloud_server.engine.stream import EventStream


class AnswerEngine(Protocol):
    """Submits requests and tells their events; every call comes from the event loop.

    `loaded` holds the model or why there is none. What `Engine` says of each call holds for all.
    """

    @property
    def loaded(self) -> "Future[Any]": ...

    @property
    def served(self) -> Served:
        """What is served; Busy while it is loading or, for now, cannot answer."""

    @property
    def most_tokens(self) -> int:
        """The tokens that a prompt and its answer may have together; Busy as `served` is."""

    def start(self) -> None:
        """Load the model and then work, beside the caller."""

    async def shut_down(self) -> None:
        """Give up all requests and end."""

    def submit(self, request: GenerationRequest) -> EventStream:
        """Queue a request and return its events."""

    def models(self) -> tuple[ServedName, ...]:
        """Return the names that requests may use, the default first."""

    def load_shadow(self, name: str, directory: Path) -> "Future[None]":
        """Serve another shadow of the base."""

    def unload_shadow(self, name: str) -> "Future[None]":
        """Serve a shadow no longer."""
