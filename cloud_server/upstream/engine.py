"""The engine without a model of its own: schedules requests and has an upstream answer them."""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

from cloud_server.engine.ending import log_dropped, log_finished
from cloud_server.engine.generation import Generation
from cloud_server.engine.limits import EngineLimits
from cloud_server.engine.observer import DropReason, EngineObserver, NoObserver
from cloud_server.engine.request import FinishReason, GenerationRequest
from cloud_server.engine.schedule import STOPPING, Schedule
from cloud_server.engine.served_base import Served, ServedName
from cloud_server.engine.stream import EventStream
from cloud_server.upstream.answer import UpstreamAnswer
from cloud_server.upstream.client import UpstreamClient
from cloud_server.upstream.messages import UpstreamModel
from cloud_server.upstream.vocabulary import Vocabulary
from shared.errors import Busy, Forbidden, ModelError, RequestError, ShadowdogError, UpstreamLost

PROBE_S = 2.0
PROBES_MISSED = 2
"""So many probes in a row must fail before the service says that it is not ready."""

FAILED = "the engine failed on this request; its log says why"

logger = logging.getLogger(__name__)


class UpstreamEngine:
    """Answers as `Engine` does, on one event loop and without torch's work.

    It waits for the upstream as long as it takes; `loaded` fails where the upstream serves another
    model. The queue is the embedded engine's, so bounds and fairness are the same.
    """

    def __init__(
        self,
        load: Callable[[], Vocabulary],
        client: UpstreamClient,
        limits: EngineLimits | None = None,
        *,
        attempts: int = 4,
        probe_s: float = PROBE_S,
        clock: Callable[[], float] = time.monotonic,
        observer: EngineObserver | None = None,
    ) -> None:
        self.loaded: Future[Served] = Future()
        self._load = load
        self._client = client
        self._limits = limits or EngineLimits()
        self._attempts = attempts
        self._probe_s = probe_s
        self._clock = clock
        self._observer = observer or NoObserver()
        self._schedule = Schedule(
            queue_size=self._limits.queue_size, max_active=self._limits.max_active
        )
        self._tasks: dict[EventStream, asyncio.Task[None]] = {}
        self._places: dict[Generation, asyncio.Event] = {}
        self._missed = 0

    @property
    def served(self) -> Served:
        """What is served; Busy while the upstream has not answered yet, or answers no more."""
        if not self.loaded.done():
            raise Busy(f"the upstream {self._client.url} has not answered yet; ask again soon")
        served = self.loaded.result()
        if self._missed >= PROBES_MISSED:
            raise Busy(f"the upstream {self._client.url} does not answer; ask again soon")
        return served

    @property
    def most_tokens(self) -> int:
        """The tokens that a prompt and its answer may have together; Busy as `served` is."""
        assert self.served is not None
        return self._limits.most_tokens(self._context_tokens)

    def start(self) -> None:
        """Look for the upstream, and watch it from then on."""
        self.loaded.set_running_or_notify_cancel()
        self._watcher = asyncio.create_task(self._watch())

    async def shut_down(self) -> None:
        """Give up all requests as Busy, and close the connections."""
        self._schedule.close()
        self._watcher.cancel()
        for generation in self._schedule.everyone():
            self._drop(generation, "refused", Busy(STOPPING))
        for task in list(self._tasks.values()):
            task.cancel()
        await asyncio.gather(self._watcher, *self._tasks.values(), return_exceptions=True)
        await self._client.close()

    def submit(self, request: GenerationRequest) -> EventStream:
        """Queue a request and return its events.

        Raises what `Engine.submit` does. What fails later (UpstreamLost, UpstreamError) ends the
        events.
        """
        model = request.model or self.served.name
        if request.grammar is not None:
            raise RequestError("an upstream knows no grammar; only the embedded engine does")
        self._limits.check(request, self._vocabulary_size, self._context_tokens)
        stream = EventStream(on_cancel=self._forget)
        generation = Generation(request, model, stream, self._clock())
        self._schedule.add(generation)
        self._places[generation] = asyncio.Event()
        self._tasks[stream] = asyncio.create_task(self._live(generation, stream))
        self._give_places()
        return stream

    def models(self) -> tuple[ServedName, ...]:
        """Return the names that the upstream serves, the default first."""
        assert self.served is not None
        return self._schedule.served()

    def load_shadow(self, name: str, directory: Path) -> "Future[None]":
        """Refused: shadows are where the model is."""
        return _refused()

    def unload_shadow(self, name: str) -> "Future[None]":
        """Refused: shadows are where the model is."""
        return _refused()

    # --- one request's life ----------------------------------------------------------------------

    async def _live(self, generation: Generation, stream: EventStream) -> None:
        try:
            reason: FinishReason = await asyncio.wait_for(
                self._answer(generation), generation.request.deadline_s
            )
            self._finish(generation, reason)
        except asyncio.TimeoutError:
            self._finish(generation, "deadline")
        except ShadowdogError as error:
            logger.warning("request %s: %s", generation.request.request_id, error.message)
            self._drop(generation, "failed", error)
        except asyncio.CancelledError:
            self._drop(generation, "cancelled")
            raise
        except Exception:  # one request's fault must not leave its caller waiting
            logger.exception("request %s failed", generation.request.request_id)
            self._drop(generation, "failed", ShadowdogError(FAILED))
        finally:
            self._places.pop(generation, None)
            self._tasks.pop(stream, None)
            self._give_places()

    async def _answer(self, generation: Generation) -> FinishReason:
        await self._places[generation].wait()
        answer = UpstreamAnswer(
            generation,
            self.loaded.result(),
            self._client,
            self._attempts,
            self._observer,
            self._clock,
        )
        return await answer.follow()

    def _give_places(self) -> None:
        while (generation := self._schedule.next_waiting()) is not None:
            self._schedule.activate(generation)
            self._places[generation].set()
        active = len(self._schedule.active())
        self._observer.waiting(len(self._schedule.everyone()) - active, active)

    def _forget(self, stream: EventStream) -> None:
        if (task := self._tasks.get(stream)) is not None:
            task.cancel()

    def _finish(self, generation: Generation, reason: FinishReason) -> None:
        self._schedule.end(generation)
        done = generation.finish(reason, self._clock())
        self._observer.reused(done.cached_tokens, done.prompt_tokens - done.cached_tokens)
        self._observer.finished(generation.request, done)
        log_finished(generation, done)
        generation.deliver(done)

    def _drop(
        self, generation: Generation, reason: DropReason, error: ShadowdogError | None = None
    ) -> None:
        if generation not in self._schedule.everyone():
            return  # given up already, while the service stops
        self._schedule.end(generation)
        if error is not None:
            generation.listener.emit(error)
        self._observer.dropped(generation.request, reason)
        log_dropped(generation, reason)

    # --- the upstream ----------------------------------------------------------------------------

    async def _watch(self) -> None:
        try:
            vocabulary = await asyncio.to_thread(self._load)
            models = await self._find_upstream()
            self._take_in(vocabulary, models)
        except Exception as error:  # noqa: BLE001 - handed to whoever waits for `loaded`
            self.loaded.set_exception(error)
            return
        while True:
            await asyncio.sleep(self._probe_s)
            try:
                await self._client.models()
                self._missed = 0
            except ShadowdogError as error:
                self._missed += 1
                logger.warning("probe %d failed: %s", self._missed, error.message)

    async def _find_upstream(self) -> dict[str, UpstreamModel]:
        while True:
            try:
                return {model.id: model for model in await self._client.models()}
            except UpstreamLost as error:
                logger.info("waiting for the upstream: %s", error.message)
                await asyncio.sleep(self._probe_s)

    def _take_in(self, vocabulary: Vocabulary, models: dict[str, UpstreamModel]) -> None:
        served = vocabulary.served
        if served.name not in models:
            raise ModelError(
                f"{self._client.url} serves {', '.join(models)} and not {served.name}; start it "
                f"with that name (--served-model-name for vLLM), or choose another CLOUD_PROFILE"
            )
        longest = models[served.name].max_model_len or vocabulary.context_tokens
        self._vocabulary_size = vocabulary.size
        self._context_tokens = min(longest, vocabulary.context_tokens)
        # The store is the upstream's: here only its longest sequence bounds a request.
        self._limits = replace(self._limits, cache_tokens=self._context_tokens)
        self._schedule.offer(served.name, "shadow", default=True)
        if served.base_name in models:
            self._schedule.offer(served.base_name, "base")
        self.loaded.set_result(served)


def _refused() -> "Future[None]":
    refused: Future[None] = Future()
    refused.set_exception(
        Forbidden("this service has no model of its own; load shadows where the model runs")
    )
    return refused
