"""`POST /v1/chat/completions`: one answer to a chat, in the forms of OpenAI's API."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from fastapi.responses import JSONResponse
from starlette.responses import Response
from starlette.types import Scope

from cloud_server.api.chat_messages import (
    DEFAULT_COMPLETION_TOKENS,
    CachedTokens,
    ChatAnswer,
    ChatChoice,
    ChatCompletion,
    ChatFinish,
    ChatRequest,
    ChatUsage,
)
from cloud_server.api.chat_prompt import chat_segments
from cloud_server.api.deadline import DeadlineHeader, deadline_seconds
from cloud_server.api.event_stream import EventStreamResponse, encode_event, failure
from cloud_server.api.examples import CHAT_EXAMPLES, CHAT_RESPONSES
from cloud_server.api.presence import CLIENT_CLOSED_REQUEST, cancel_when_gone
from cloud_server.api.service import Generation, Service
from cloud_server.engine import Done, GenerationRequest, Sampling, Token
from shared.errors import DeadlinePassed, RequestError, ShadowdogError, TooLarge

STREAM_END = "[DONE]"
MOST_CHARACTERS_A_TOKEN = 32
"""No token of Gemma's stands for more (31 spaces or line breaks); of Qwen's a few do, of white space and rules."""


def chat_router(service: Service, max_deadline_s: float, max_completion_tokens: int) -> APIRouter:
    """Return the route that answers chats with the service's engine."""
    router = APIRouter(tags=["OpenAI"])

    @router.post(
        "/v1/chat/completions",
        response_model=ChatCompletion,
        responses=CHAT_RESPONSES,
        summary="Answer a chat",
    )
    async def complete_chat(
        body: Annotated[ChatRequest, Body(openapi_examples=CHAT_EXAMPLES)],
        request: Request,
        deadline: DeadlineHeader = None,
    ) -> Response:
        """`model` is a name of `/v1/models`: a shadow's, or the bare base's.

        The answer is the model's text as it is, a leading tag included; nothing in it moves a dog.
        The service's system prompt always stands first; a caller's own is added to it as plain
        text. Without `temperature` the answer is greedy. An answer that meets its deadline ends
        with `length`.
        """
        if (body.token_limit or 0) > max_completion_tokens:
            raise RequestError(f"body.max_completion_tokens: at most {max_completion_tokens} here")
        deadline_s = deadline_seconds(deadline, max_deadline_s, max_deadline_s)
        scope = request.scope
        generation = service.generate(
            GenerationRequest(
                request_id=scope["state"]["request_id"],
                prompt_ids=await _encode(service, body),
                max_tokens=body.token_limit
                or min(DEFAULT_COMPLETION_TOKENS, max_completion_tokens),
                deadline_s=deadline_s,
                model=body.model,
                owner=scope["state"]["caller"],
                sampling=Sampling(body.temperature or 0.0, body.top_p or 1.0, body.seed),
                stop=body.stops,
            )
        )
        answer = _Answer(scope, body)
        if body.stream:
            return EventStreamResponse(answer.chunks(generation), generation.cancel)
        async with cancel_when_gone(request, generation.cancel):
            async for event in generation.events():
                if isinstance(event, Done):
                    return JSONResponse(answer.whole(event).model_dump())
        return Response(status_code=CLIENT_CLOSED_REQUEST)

    return router


async def _encode(service: Service, body: ChatRequest) -> tuple[int, ...]:
    """Return the prompt; TooLarge for a chat that, however it is encoded, never fits: it is not even read."""
    most = service.engine.most_tokens * MOST_CHARACTERS_A_TOKEN
    length = sum(len(message.text) for message in body.messages)
    if length > most:
        raise TooLarge(
            f"the messages have {length} characters together and at most {most} can fit; shorten them"
        )
    encoder = service.engine.served.encoder

    def encode() -> tuple[int, ...]:
        return tuple(encoder.encode_long(chat_segments(encoder.chat, body.messages)))

    return await asyncio.to_thread(encode)  # long texts would hold the event loop up


class _Answer:
    """Puts an answer's events into OpenAI's forms."""

    def __init__(self, scope: Scope, body: ChatRequest) -> None:
        self._scope = scope
        self._usage_wanted = bool(body.stream_options and body.stream_options.include_usage)
        self._model = body.model
        self._id = f"chatcmpl-{scope['state']['request_id']}"
        self._created = int(time.time())

    def whole(self, done: Done) -> ChatCompletion:
        """Return the answer; DeadlinePassed where it has not a word."""
        choice = ChatChoice(message=ChatAnswer(content=done.text), finish_reason=_finish(done))
        return ChatCompletion(
            id=self._id,
            created=self._created,
            model=self._model,
            choices=[choice],
            usage=_usage(done),
        )

    async def chunks(self, generation: Generation) -> AsyncIterator[str]:
        """Yield the answer's events; an error that comes too late for a status is the last one."""
        try:
            yield self._chunk({"role": "assistant", "content": ""})
            async for event in generation.events():
                if isinstance(event, Token):
                    yield self._chunk({"content": event.text})
                    continue
                yield self._chunk({}, _finish(event))
                if self._usage_wanted:
                    usage = _usage(event).model_dump()
                    yield encode_event({**self._head(), "choices": [], "usage": usage})
                yield encode_event(STREAM_END)
        except ShadowdogError as error:
            yield encode_event(failure(self._scope, error))

    def _chunk(self, delta: dict[str, str], finish: ChatFinish | None = None) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return encode_event({**self._head(), "choices": [choice]})

    def _head(self) -> dict[str, Any]:
        head = {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": self._model,
        }
        return {**head, "usage": None} if self._usage_wanted else head


def _finish(done: Done) -> ChatFinish:
    """Return OpenAI's word for an end: an answer that its deadline cut off has no word of its own."""
    if done.finish_reason == "deadline":
        if not done.text:
            raise DeadlinePassed("the deadline passed before the first word; ask with more time")
        return "length"
    return done.finish_reason


def _usage(done: Done) -> ChatUsage:
    return ChatUsage(
        prompt_tokens=done.prompt_tokens,
        completion_tokens=done.completion_tokens,
        total_tokens=done.prompt_tokens + done.completion_tokens,
        prompt_tokens_details=CachedTokens(cached_tokens=done.cached_tokens),
    )
