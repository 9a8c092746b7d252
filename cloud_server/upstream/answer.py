"""One request at an upstream: its ids become the engine's events, and a broken answer goes on."""

import asyncio
import hashlib
import json
from collections.abc import Callable

from cloud_server.engine.generation import Generation
from cloud_server.engine.grammar import TagGrammar
from cloud_server.engine.observer import EngineObserver
from cloud_server.engine.request import FinishReason, GenerationRequest
from cloud_server.engine.served_base import Served
from cloud_server.upstream.client import UpstreamClient
from cloud_server.upstream.messages import CompletionChoice, CompletionChunk, CompletionRequest
from shared.errors import UpstreamError, UpstreamLost

PAUSE_S = 0.1
"""Before the first try again; twice as long before each that follows."""


class UpstreamAnswer:
    """Follows one generation to its end; all that it needs to go on elsewhere are the ids so far."""

    def __init__(
        self,
        generation: Generation,
        served: Served,
        client: UpstreamClient,
        attempts: int,
        observer: EngineObserver,
        clock: Callable[[], float],
    ) -> None:
        """attempts: how often in a row it is asked without one new token."""
        self._generation = generation
        self._served = served
        self._client = client
        self._attempts = attempts
        self._observer = observer
        self._clock = clock

    async def follow(self) -> FinishReason:
        """Tell the listener every token, and return why the answer ends.

        UpstreamLost where the upstream did not answer as often as was asked, UpstreamError where
        it refuses.
        """
        generation = self._generation
        grammar = TagGrammar(self._served.encoder)
        if reason := generation.start(self._served, grammar, 0, self._clock()):
            return reason
        asked = failures = 0
        while True:
            known = len(generation.ids)
            asked += 1
            try:
                return await self._ask(asked)
            except UpstreamLost:
                failures = 0 if len(generation.ids) > known else failures + 1
                if failures >= self._attempts:
                    raise
            self._observer.resumed()
            await asyncio.sleep(PAUSE_S * 2 ** max(0, failures - 1))

    async def _ask(self, asked: int) -> FinishReason:
        reason: FinishReason | None = None
        chunks = self._client.complete(self._request(asked))
        try:
            async for chunk in chunks:
                if asked == 1:
                    self._note_cached(chunk)
                for choice in chunk.choices:
                    reason = reason or self._take(choice)
                if reason and self._generation.is_ended_by_text:
                    break  # the upstream does not know of it and would go on
        except UpstreamLost:
            if reason is None:
                raise
        finally:
            await chunks.aclose()  # frees the place upstream
        if reason is None:
            raise UpstreamLost(f"{self._client.url} ended an answer without saying why")
        return reason

    def _take(self, choice: CompletionChoice) -> FinishReason | None:
        if choice.token_ids is None:
            raise UpstreamError(
                f"{self._client.url} returns no token ids; use vLLM, or a cloud-server with "
                "CLOUD_COMPLETIONS=true"
            )
        for token_id in choice.token_ids:
            if reason := self._generation.accept(token_id, self._clock()):
                return reason
        return None if choice.finish_reason is None else self._end(choice.finish_reason)

    def _end(self, said: str) -> FinishReason:
        """Return the upstream's own end: an end mark that it kept to itself, or its longest sequence."""
        if said == "stop":
            return "stop"
        if said == "length":
            return "length"
        raise UpstreamLost(f"{self._client.url} gave an answer up ({said})")

    def _note_cached(self, chunk: CompletionChunk) -> None:
        details = chunk.usage.prompt_tokens_details if chunk.usage else None
        if details and details.cached_tokens is not None:
            self._generation.cached = details.cached_tokens

    def _request(self, asked: int) -> CompletionRequest:
        generation = self._generation
        sampling = generation.request.sampling
        suffix = f"-{asked}"  # an upstream may still hold the one that broke off
        return CompletionRequest(
            model=generation.model,
            prompt=generation.ids,
            max_tokens=generation.request.max_tokens - len(generation.answer_ids),
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            seed=None if sampling.seed is None else sampling.seed % 2**63,
            stop_token_ids=tuple(sorted(self._served.stop_token_ids)),
            request_id=generation.request.request_id[: 64 - len(suffix)] + suffix,
            session_id=_session_of(generation.request),
        )


def _session_of(request: GenerationRequest) -> str | None:
    """Return a name that no other robot's session has, and that tells nothing of its parts."""
    if request.session_id is None:
        return None
    parts = json.dumps([request.owner, request.robot, request.session_id])
    return hashlib.sha256(parts.encode()).hexdigest()
