"""The engine: one thread loads and owns the model, and decodes for everyone together."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from cloud_server.engine.core import Core
from cloud_server.engine.errand import Errand
from cloud_server.engine.generation import Generation
from cloud_server.engine.limits import EngineLimits
from cloud_server.engine.observer import EngineObserver, NoObserver
from cloud_server.engine.request import GenerationRequest
from cloud_server.engine.schedule import STOPPING, Schedule
from cloud_server.engine.served_base import ServedBase, ServedName
from cloud_server.engine.stream import EventStream
from shared.errors import Busy

logger = logging.getLogger(__name__)


class Engine:
    """Decodes requests on one base and its shadows, all active ones in one batch a step.

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
        self.loaded: Future[ServedBase] = Future()
        self._load = load
        self._limits = limits or EngineLimits()
        self._clock = clock
        self._observer = observer or NoObserver()
        self._schedule = Schedule(
            queue_size=self._limits.queue_size, max_active=self._limits.max_active
        )
        # A daemon: Ctrl-C while a model of gigabytes is being read must not wait for its end.
        self._thread = threading.Thread(target=self._own, name="engine-owner", daemon=True)

    @property
    def served(self) -> ServedBase:
        """The loaded base; Busy while it is loading, the error itself where loading failed."""
        if not self.loaded.done():
            raise Busy("the model is still loading; ask again in a moment")
        return self.loaded.result()

    @property
    def most_tokens(self) -> int:
        """The tokens that a prompt and its answer may have together; Busy while loading."""
        assert self.served is not None
        return self._core.most_tokens

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

    async def shut_down(self) -> None:
        """Close without holding the event loop up."""
        await asyncio.to_thread(self.close)

    def drain(self, timeout_s: float) -> bool:
        """Take no more requests and wait until those under way have ended, for a graceful stop.

        Blocks for `timeout_s` at most; False where some are still under way then.
        """
        self._schedule.stop_taking()
        return self._schedule.wait_until_idle(timeout_s)

    def submit(self, request: GenerationRequest) -> EventStream:
        """Queue a request and return its events; call on the event loop that reads them.

        Busy when the queue is full or the model is not loaded, NotFound for a model's name that is
        not served, TooLarge for a request that there is never room for, RequestError for a wrong one.
        """
        model = request.model or self.served.name
        self._core.check(request)
        stream = EventStream(on_cancel=self._schedule.forget)
        self._schedule.add(Generation(request, model, stream, self._clock()))
        return stream

    def models(self) -> tuple[ServedName, ...]:
        """Return the names that requests may use, the default first; Busy while loading."""
        assert self.served is not None
        return self._schedule.served()

    def load_shadow(self, name: str, directory: Path) -> "Future[None]":
        """Serve another shadow of the base, while requests go on.

        It is read on a thread of its own and taken in by the owner thread between two steps. The
        future fails with Conflict where the name is taken, and with CheckpointForeign,
        CheckpointMismatch or another ModelError where the files are no shadow of this base. Busy
        while loading.
        """
        served = self.served
        errand = Errand(lambda: self._core.add_shadow(name, reading.result()))
        reading: Future[object] = Future()

        def read() -> None:
            try:
                reading.set_result(served.read_shadow(directory))
            except Exception as error:  # noqa: BLE001 - handed to the errand, and so to the caller
                reading.set_exception(error)
            self._schedule.ask(errand)

        threading.Thread(target=read, name="shadow-reader", daemon=True).start()
        return errand.future

    def unload_shadow(self, name: str) -> "Future[None]":
        """Serve a shadow no longer.

        The future fails with NotFound where there is none of that name, and with Conflict while a
        request that uses it waits or runs, or where it is the default. Busy while loading.
        """
        assert self.served is not None
        errand = Errand(lambda: self._core.remove_shadow(name))
        self._schedule.ask(errand)
        return errand.future

    def _own(self) -> None:
        """Load, then work until closed: the owner thread's root, and the only catch-all."""
        try:
            served = self._load()
            self._core = Core(served, self._schedule, self._limits, self._clock, self._observer)
        except Exception as error:  # noqa: BLE001 - handed to whoever waits for `loaded`
            self.loaded.set_exception(error)
            return
        self.loaded.set_result(served)
        while self._schedule.wait():
            try:
                for errand in self._schedule.take_errands():
                    errand.run()
                self._core.step()
            except Exception:  # one request's fault must not end the service
                logger.exception("a step failed")
                self._core.blame()
        self._core.stop()
        for errand in self._schedule.take_errands():
            errand.refuse(Busy(STOPPING))
