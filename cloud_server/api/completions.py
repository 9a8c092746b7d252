"""`POST /v1/completions`: a front end's prompt in token ids is gone on from, and the ids are streamed."""

import time
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.types import Scope

from cloud_server.api.deadline import DeadlineHeader, deadline_seconds
from cloud_server.api.errors import remember_request_id
from cloud_server.api.event_stream import EventStreamResponse, encode_event, failure
from cloud_server.api.service import Generation, Service
from cloud_server.engine import Done, GenerationRequest, Sampling
from cloud_server.upstream.messages import (
    COMPLETIONS_PATH,
    STREAM_END,
    CachedTokens,
    CompletionChoice,
    CompletionChunk,
    CompletionRequest,
    CompletionUsage,
)
from shared.errors import RequestError, ShadowdogError


def completions_router(service: Service, max_deadline_s: float) -> APIRouter:
    """Return the route of a replica; its caller is a front end, trusted with the whole prompt."""
    router = APIRouter(tags=["replica"])

    @router.post(COMPLETIONS_PATH, summary="Go on from a prompt in token ids")
    async def complete(
        body: CompletionRequest, request: Request, deadline: DeadlineHeader = None
    ) -> Response:
        """The wire is vLLM's, streamed and with `return_token_ids`; end marks are the base's own."""
        remember_request_id(request.scope, body.request_id)
        others = set(body.stop_token_ids) - service.engine.served.stop_token_ids
        if others:
            raise RequestError(f"body.stop_token_ids: {sorted(others)} are no end marks here")
        generation = service.generate(
            GenerationRequest(
                request_id=body.request_id,
                prompt_ids=tuple(body.prompt),
                max_tokens=body.max_tokens,
                deadline_s=deadline_seconds(deadline, max_deadline_s, max_deadline_s),
                model=body.model,
                owner=request.state.caller,
                session_id=body.session_id,
                sampling=Sampling(body.temperature, body.top_p, body.seed),
                with_ids=True,
            )
        )
        return EventStreamResponse(_chunks(body, generation, request.scope), generation.cancel)

    return router


async def _chunks(
    body: CompletionRequest, generation: Generation, scope: Scope
) -> AsyncIterator[str]:
    created = int(time.time())

    def chunk(*choices: CompletionChoice, usage: CompletionUsage | None = None) -> str:
        whole = CompletionChunk(
            id=f"cmpl-{body.request_id}",
            created=created,
            model=body.model,
            choices=list(choices),
            usage=usage,
        )
        return encode_event(whole.model_dump())

    try:
        async for event in generation.events():
            if not isinstance(event, Done):
                yield chunk(CompletionChoice(text=event.text, token_ids=list(event.ids)))
                continue
            yield chunk(CompletionChoice(token_ids=[], finish_reason=event.finish_reason))
            yield chunk(usage=_usage(event))
            yield encode_event(STREAM_END)
    except ShadowdogError as error:
        yield encode_event(failure(scope, error))


def _usage(done: Done) -> CompletionUsage:
    return CompletionUsage(
        prompt_tokens=done.prompt_tokens,
        completion_tokens=done.completion_tokens,
        total_tokens=done.prompt_tokens + done.completion_tokens,
        prompt_tokens_details=CachedTokens(cached_tokens=done.cached_tokens),
    )
