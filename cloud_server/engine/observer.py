"""Who watches the engine: figures and ends of requests, told on the owner thread."""

from typing import Literal, Protocol

from cloud_server.engine.request import Done, GenerationRequest

DropReason = Literal["cancelled", "refused", "failed"]
"""The client went away; the service stopped; the model or the engine failed on it."""


class EngineObserver(Protocol):
    """What is told; every call comes from the owner thread and must be quick."""

    def waiting(self, queued: int, active: int) -> None:
        """So many requests wait and so many are decoded, before each step."""

    def stepped(self, rows: int, tokens: int, seconds: float) -> None:
        """A step ran `tokens` tokens of `rows` requests through the model."""

    def finished(self, request: GenerationRequest, done: Done) -> None:
        """A request has its whole answer, or met its deadline."""

    def dropped(self, request: GenerationRequest, reason: DropReason) -> None:
        """A request ended without a `Done`."""

    def reused(self, cached_tokens: int, computed_tokens: int) -> None:
        """A prompt was started: so many of its tokens were kept ones, so many are computed."""

    def holding(self, cache_bytes: int) -> None:
        """Keys and values of so many bytes are in use, by requests or kept for later ones."""

    def resumed(self) -> None:
        """An upstream broke an answer off, and is asked for the rest of it."""


class NoObserver:
    """Does nothing with what it is told."""

    def waiting(self, queued: int, active: int) -> None: ...

    def stepped(self, rows: int, tokens: int, seconds: float) -> None: ...

    def finished(self, request: GenerationRequest, done: Done) -> None: ...

    def dropped(self, request: GenerationRequest, reason: DropReason) -> None: ...

    def reused(self, cached_tokens: int, computed_tokens: int) -> None: ...

    def holding(self, cache_bytes: int) -> None: ...

    def resumed(self) -> None: ...
