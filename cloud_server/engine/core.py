"""The engine's work, step by step and without a thread: admit, run one batch, choose tokens, end."""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from cloud_server.engine.batch import Batch, Row
from cloud_server.engine.ending import log_dropped, log_finished
from cloud_server.engine.generation import Generation
from cloud_server.engine.grammar import TagGrammar
from cloud_server.engine.kept_prefixes import KeptPrefixes, Key, session_key, system_key
from cloud_server.engine.limits import EngineLimits
from cloud_server.engine.observer import DropReason, EngineObserver
from cloud_server.engine.request import FinishReason, GenerationRequest
from cloud_server.engine.schedule import STOPPING, Schedule
from cloud_server.engine.served_base import ServedBase
from cloud_server.engine.shares import share_out
from cloud_server.engine.slots import Slots
from shared.errors import Busy, Conflict, ModelError, ShadowdogError

logger = logging.getLogger(__name__)

FAILED = "the engine failed on this request; its log says why"


class Core:
    """Decodes the schedule's requests; every call comes from the owner thread."""

    def __init__(
        self,
        served: ServedBase,
        schedule: Schedule,
        limits: EngineLimits,
        clock: Callable[[], float],
        observer: EngineObserver,
    ) -> None:
        self._decoder = served.make_decoder(limits.cache_tokens)
        self._served = served
        self._schedule = schedule
        self._limits = limits
        self._clock = clock
        self._observer = observer
        self._slots = Slots(limits.cache_tokens)
        self._kept = KeptPrefixes(self._slots, limits)
        self._system_ids = served.system_ids
        self._grammar = TagGrammar(served.encoder)
        self._stepping: list[Generation] = []
        """Whose work a fault would come from."""
        self._suspects: deque[Generation] = deque()
        """The rows of a batch that failed, to be run one by one until the faulty one is found."""
        for name in (served.name, served.base_name):
            self._compute_system_prompt(name)
        schedule.offer(served.name, "shadow", default=True)
        schedule.offer(served.base_name, "base")

    def step(self) -> None:
        """Take every request one step further."""
        self._stepping = []
        self._drop_cancelled()
        self._end_late()
        self._admit_waiting()
        active = len(self._schedule.active())
        self._observer.waiting(len(self._schedule.everyone()) - active, active)
        if rows := self._choose_rows():
            self._run(rows)
        self._observer.holding(self._slots.used * self._decoder.slot_bytes)

    def check(self, request: GenerationRequest) -> None:
        """Refuse what can never be answered: TooLarge, RequestError. Callable from any thread."""
        decoder = self._decoder
        self._limits.check(request, decoder.vocabulary_size, decoder.context_tokens)

    @property
    def most_tokens(self) -> int:
        """The tokens that a prompt and its answer may have together. Callable from any thread."""
        return self._limits.most_tokens(self._decoder.context_tokens)

    def blame(self) -> None:
        """After a step that raised: give up whose fault it is, or find out by running one by one."""
        if len(self._stepping) > 1:
            self._suspects = deque(self._stepping)
        elif self._stepping:
            self._drop(self._stepping[0], "failed", ShadowdogError(FAILED))
        else:
            self._drop_all("failed", ShadowdogError(FAILED))

    def stop(self) -> None:
        """Give all requests up as Busy: the service is stopping."""
        self._drop_all("refused", Busy(STOPPING))

    def add_shadow(self, name: str, model: Any) -> None:
        """Serve another shadow of the base; Conflict where the name is taken.

        It is run once, over the system prompt, so that one that cannot run is not offered; ModelError
        for one whose logits are no numbers.
        """
        if self._schedule.serves(name):
            raise Conflict(f"{name} is served already; unload it or choose another name")
        self._decoder.add_shadow(name, model)
        try:
            self._compute_system_prompt(name)
        except BaseException:
            self._decoder.remove_shadow(name)
            raise
        self._schedule.offer(name, "shadow")

    def remove_shadow(self, name: str) -> None:
        """Serve a shadow no longer; NotFound, and Conflict while it is in use or the default."""
        self._schedule.retire(name)
        self._kept.forget_model(name)
        self._decoder.remove_shadow(name)

    # --- a step's parts --------------------------------------------------------------------------

    def _drop_cancelled(self) -> None:
        for generation in self._schedule.take_forgotten():
            self._drop(generation, "cancelled")
        for generation in self._schedule.active():
            if generation.listener.cancelled:
                self._drop(generation, "cancelled")

    def _end_late(self) -> None:
        now_s = self._clock()
        for generation in self._schedule.everyone():
            if generation.is_late(now_s):
                self._finish(generation, "deadline")

    def _admit_waiting(self) -> None:
        while (generation := self._schedule.next_waiting()) is not None:
            if not self._admit(generation):
                return  # who comes next must not overtake it for ever by being smaller
        self._stepping = []

    def _admit(self, generation: Generation) -> bool:
        """Start a request where there is room for all that it may need; else it waits."""
        request, now_s = generation.request, self._clock()
        self._stepping = [generation]
        shared = self._kept.share(self._keys_of(generation), request.prompt_ids, now_s)
        generation.slots = shared
        needed = len(request.prompt_ids) + request.max_tokens - len(shared)
        if not self._kept.make_room(needed):
            generation.release(self._slots)
            return False
        if not self._schedule.activate(generation):  # it was given up meanwhile
            generation.release(self._slots)
            return True
        generation.slots = torch.cat([shared, self._slots.take(needed)])
        reason = generation.start(self._served, self._grammar, len(shared), now_s)
        self._observer.reused(len(shared), len(request.prompt_ids) - len(shared))
        if reason:
            self._finish(generation, reason)
        return True

    def _choose_rows(self) -> dict[Row, Generation]:
        """Return one token of each answer, and of prompts as many as a step has room for."""
        active = self._schedule.active()
        while self._suspects:
            if (suspect := self._suspects.popleft()) in active:
                return {suspect.row(self._limits.prefill_tokens): suspect}
        answers = [each for each in active if each.pending == 1]
        prompts = [each for each in active if each.pending > 1]
        shares = share_out([each.pending for each in prompts], self._limits.prefill_tokens)
        return {
            **{each.row(1): each for each in answers},
            **{each.row(n): each for each, n in zip(prompts, shares, strict=True) if n},
        }

    def _run(self, rows: dict[Row, Generation]) -> None:
        """Run one batch and let every row that asked have its next token."""
        started_s, batch = self._clock(), Batch(list(rows))
        self._stepping = list(rows.values())
        logits = iter(self._decoder.run(batch))
        for row in batch.rows:
            generation = rows[row]
            self._stepping = [generation]
            generation.computed = row.length
            self._remember_system_prompt(generation, row)
            if row.asks:
                self._choose_token(generation, next(logits))
        self._stepping = []
        self._observer.stepped(len(rows), len(batch.input_ids), self._clock() - started_s)

    def _choose_token(self, generation: Generation, logits: Tensor) -> None:
        token_id = generation.sampler.choose(logits, generation.allowed_ids())
        if reason := generation.accept(token_id, self._clock()):
            self._finish(generation, reason)

    def _finish(self, generation: Generation, reason: FinishReason) -> None:
        self._schedule.end(generation)
        done = generation.finish(reason, self._clock())
        self._remember_session(generation)
        generation.release(self._slots)
        self._observer.finished(generation.request, done)
        log_finished(generation, done)
        generation.deliver(done)

    def _drop_all(self, reason: DropReason, error: ShadowdogError) -> None:
        for generation in self._schedule.everyone():
            self._drop(generation, reason, error)

    def _drop(
        self, generation: Generation, reason: DropReason, error: ShadowdogError | None = None
    ) -> None:
        self._schedule.end(generation)
        generation.release(self._slots)
        if error is not None:
            generation.listener.emit(error)
        self._observer.dropped(generation.request, reason)
        log_dropped(generation, reason)

    # --- what is kept for later requests ---------------------------------------------------------

    def _keys_of(self, generation: Generation) -> list[Key]:
        """Return where a beginning of the request's prompt may be kept."""
        session = session_key(generation.model, generation.request)
        return [system_key(generation.model), *([session] if session else [])]

    def _remember_session(self, generation: Generation) -> None:
        key = session_key(generation.model, generation.request)
        if key and generation.slots is not None and generation.computed:
            self._keep(key, generation.ids, generation.slots, generation.computed)

    def _remember_system_prompt(self, generation: Generation, row: Row) -> None:
        """Keep it where it had to make room before and this row has just computed it again."""
        key, count = system_key(generation.model), len(self._system_ids)
        is_new = row.seen < count <= row.length and key not in self._kept
        if is_new and tuple(generation.ids[:count]) == self._system_ids:
            self._keep(key, generation.ids, row.slots, count)

    def _compute_system_prompt(self, model: str) -> None:
        """Compute and keep a model's system prompt, which tries the model out, too."""
        count = len(self._system_ids)
        if not count or not self._kept.make_room(count):
            return
        slots = self._slots.take(count)
        try:
            logits = self._decoder.run(Batch([Row(model, self._system_ids, 0, slots, asks=True)]))
            if not bool(logits.isfinite().all()):
                raise ModelError(
                    f"{model} gives logits that are no numbers; its tensors are damaged"
                )
            self._keep(system_key(model), self._system_ids, slots, count)
        finally:
            self._slots.give_back(slots)

    def _keep(self, key: Key, ids: Sequence[int], slots: Tensor, count: int) -> None:
        self._kept.keep(key, ids[:count], slots[:count], self._clock())
