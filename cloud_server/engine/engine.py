"""The engine: one thread loads and owns the model, and decodes for everyone in turn."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from cloud_server.engine.decoder import Decoder
from cloud_server.engine.generation import Generation
from cloud_server.engine.observer import EngineObserver, NoObserver
from cloud_server.engine.request import FinishReason, GenerationRequest
from cloud_server.engine.schedule import Schedule
from cloud_server.engine.served_base import ServedBase, ServedName
from cloud_server.engine.stream import EventStream
from shared.errors import Busy, NotFound, ShadowdogError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EngineLimits:
    """How many requests are decoded at once, and how many more may wait."""

    max_active: int = 4
    queue_size: int = 16


class Engine:
    """Decodes requests on one model, one token for each active request in turn.

    `load` runs on the owner thread, so that a caller's event loop is never held up; `loaded` then
    holds the model or why there is none. `clock` returns seconds and never goes back.
    """

    def __init__(
        self,
        load: Callable[[], ServedBase],
        limits: EngineLimits | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        observer: EngineObserver | None = None,
    ) -> None:
        limits = limits or EngineLimits()
        self.loaded: Future[ServedBase] = Future()
        self._load = load
        self._clock = clock
        self._observer = observer or NoObserver()
        self._schedule = Schedule(queue_size=limits.queue_size, max_active=limits.max_active)
        self._stepping: Generation | None = None
        # A daemon: Ctrl-C while a model of gigabytes is being read must not wait for its end.
        self._thread = threading.Thread(target=self._own, name="engine-owner", daemon=True)

    @property
    def served(self) -> ServedBase:
        """The loaded model; Busy while it is loading, the error itself where loading failed."""
        if not self.loaded.done():
            raise Busy("the model is still loading; ask again in a moment")
        return self.loaded.result()

    def start(self) -> None:
        """Start the owner thread, which loads the model and then works."""
        self.loaded.set_running_or_notify_cancel()  # from here on nobody can cancel the future
        self._thread.start()

    def close(self) -> None:
        """Give up all requests and wait for the owner thread; blocks for one step at most.

        A thread that is still loading is not waited for: it ends with the process.
        """
        self._schedule.close()
        if self.loaded.done() and self._thread.is_alive():
            self._thread.join()

    def submit(self, request: GenerationRequest) -> EventStream:
        """Queue a request and return its events; call on the event loop that reads them.

        Busy when the queue is full or the model is not loaded, NotFound for a model's name that is
        not served.
        """
        if request.model not in (None, self.served.name):
            raise NotFound(f"this service serves {self.served.name} and no other model")
        stream = EventStream(on_cancel=self._schedule.forget)
        self._schedule.add(Generation(request, stream, self._clock()))
        return stream

    def models(self) -> tuple[ServedName, ...]:
        """Return the names that requests may use, the default first; empty while loading."""
        return (ServedName(self.served.name, "shadow", default=True, in_use=0),)

    def load_shadow(self, name: str, directory: Path) -> Future[None]:
        """Serve another shadow of the base, too."""
        return _refused(f"{name} cannot be loaded from {directory}: one shadow is served")

    def unload_shadow(self, name: str) -> Future[None]:
        """Serve a shadow no longer."""
        return _refused(f"{name} cannot be unloaded: one shadow is served")

    def drain(self, timeout_s: float) -> None:
        """Take no more requests and let those under way finish, for `timeout_s` at most; blocks."""
        self._schedule.close()

    def _own(self) -> None:
        """Load, then work until closed: the owner thread's root, and the only catch-all."""
        try:
            self._served = self._load()
            self._decoder = Decoder(self._served)
        except Exception as error:  # noqa: BLE001 - handed to whoever waits for `loaded`
            self.loaded.set_exception(error)
            return
        self.loaded.set_result(self._served)
        while self._schedule.wait():
            try:
                self._step()
            except Exception:  # one request's fault must not end the service
                logger.exception("a step failed")
                self._give_up("the engine failed on this request; its log says why")
        self._stepping = None
        self._give_up("the service is stopping; ask again in a moment")

    def _step(self) -> None:
        self._drop_cancelled()
        self._end_late()
        self._start_waiting()
        self._decode_one_token_each()

    def _drop_cancelled(self) -> None:
        for generation in self._schedule.active():
            if generation.stream.cancelled:
                self._schedule.end(generation)
                logger.info("request %s cancelled", generation.request.request_id)

    def _end_late(self) -> None:
        now_s = self._clock()
        for generation in self._schedule.everyone():
            if generation.is_late(now_s):
                self._finish(generation, "deadline")

    def _start_waiting(self) -> None:
        for generation in self._schedule.admit():
            generation.start(self._served, self._decoder.new_cache(), self._clock())

    def _decode_one_token_each(self) -> None:
        for generation in self._schedule.active():
            self._stepping = generation
            token_id = self._decoder.next_token(generation.new_ids, generation.cache)
            if reason := generation.accept(token_id, self._clock()):
                self._finish(generation, reason)
        self._stepping = None

    def _finish(self, generation: Generation, reason: FinishReason) -> None:
        self._schedule.end(generation)
        done = generation.finish(reason, self._clock())
        self._observer.finished(generation.request, done)
        logger.info(
            "request %s %s: %d + %d tokens, queue %.0f ms, total %.0f ms",
            generation.request.request_id,
            reason,
            done.prompt_tokens,
            done.completion_tokens,
            done.queue_ms,
            done.total_ms,
        )

    def _give_up(self, message: str) -> None:
        """End the request that was being stepped, or everyone's where none was."""
        faulty = (self._stepping,) if self._stepping else self._schedule.everyone()
        for generation in faulty:
            self._schedule.end(generation)
            generation.stream.emit(ShadowdogError(message))
        self._stepping = None


def _refused(message: str) -> Future[None]:
    future: Future[None] = Future()
    future.set_exception(Busy(message))
    return future
