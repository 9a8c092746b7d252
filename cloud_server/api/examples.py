"""What the OpenAPI document shows of every route: requests, answers and each refusal."""

from typing import Any

from fastapi.openapi.models import Example
from pydantic import BaseModel

from shared.errors import (
    Busy,
    Conflict,
    DeadlinePassed,
    Forbidden,
    NotFound,
    RangeUnsatisfiable,
    RateLimited,
    RequestError,
    ShadowdogError,
    TooLarge,
    Unauthorized,
)
from shared.messages import ErrorBody

Responses = dict[int | str, dict[str, Any]]

_ID = "5f0f2a4e-8e0c-4f6f-9b43-0c8f4f1f8a11"
_RETRY = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "string"}, "example": "1"}
}
_SAID: dict[type[ShadowdogError], str] = {
    RequestError: "body.lang: Input should be 'en', 'zh' or 'other'",
    Unauthorized: "send a key of this service as `Authorization: Bearer <key>`",
    Forbidden: "this takes an admin key",
    NotFound: "no model of this name is served; GET /v1/models lists those that are",
    Conflict: "a shadow of this name is served already",
    TooLarge: "a body may have at most 1048576 bytes",
    RangeUnsatisfiable: "the file has 10 bytes; no part of it begins at 10",
    RateLimited: "this key may ask 600 times a minute; slow down",
    Busy: "as many requests as may wait are waiting; ask again in a moment",
    DeadlinePassed: "the deadline passed before the first word; ask with more time",
}
_OFTEN = (Unauthorized, Forbidden, RequestError, TooLarge, RateLimited, Busy)


class OpenAIError(ErrorBody):
    """CONTRACT.md's error body with what OpenAI's clients expect beside it."""

    type: str
    param: str | None


class OpenAIErrorBody(BaseModel):
    """The body of every refusal on OpenAI's paths."""

    error: OpenAIError


def refusals(*errors: type[ShadowdogError], openai: bool = False) -> Responses:
    """Return the responses of these errors, each with its example."""
    return {each.status: _refusal(each, openai) for each in errors}


def _refusal(error: type[ShadowdogError], openai: bool) -> dict[str, Any]:
    body: dict[str, Any] = {"code": error.code, "message": _SAID[error], "request_id": _ID}
    if openai:
        body = {"error": {**body, "type": "invalid_request_error", "param": None}}
    shown: dict[str, Any] = {
        "model": OpenAIErrorBody if openai else ErrorBody,
        "description": f"`{error.code}`",
        "content": {"application/json": {"example": body}},
    }
    return {**shown, "headers": _RETRY} if error in (RateLimited, Busy) else shown


def _answer(description: str, example: dict[str, Any], stream: str | None = None) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"example": example}}
    if stream is not None:
        content["text/event-stream"] = {"schema": {"type": "string"}, "example": stream}
    return {"description": description, "content": content}


# --- dogs ----------------------------------------------------------------------------------------

_INTENT: dict[str, Any] = {
    "request_id": _ID,
    "robot_id": "go2-lab",
    "session_id": "default",
    "text": "今天天气怎么样？",
    "lang": "zh",
    "edge": {
        "tag": "[REMOTE]",
        "probability": 0.998,
        "posterior": [["[REMOTE]", 0.998], ["[SayHello()]", 0.001]],
        "fingerprint": "0" * 64,
    },
    "robot": {"posture": "standing", "battery": 81.0},
}
INTENT_EXAMPLES = {
    "question": Example(summary="A question", value=_INTENT),
    "again": Example(
        summary="The last thing again",
        description="The dog spun on its own; only the edge knows, and says so in `recent`.",
        value={
            **_INTENT,
            "text": "do it again, please",
            "lang": "en",
            "edge": None,
            "recent": [{"text": "do a full spin", "tag": "[TurnAround()]"}],
        },
    ),
}
_INTENT_REPLY = {
    "request_id": _ID,
    "model": "gemma-270m",
    "say": "Spinning all the way round!",
    "skills": ["TurnAround"],
    "finish_reason": "stop",
    "usage": {"prompt_tokens": 64, "completion_tokens": 11},
    "timings_ms": {"queue": 0.2, "first_token": 81.5, "total": 240.1},
}
INTENT_RESPONSES: Responses = {
    200: _answer(
        "The answer, whole or as events.",
        _INTENT_REPLY,
        'event: token\ndata: {"text":"Spinning"}\n\nevent: done\ndata: {"request_id":"..."}\n\n',
    ),
    **refusals(*_OFTEN, NotFound),
}

BUNDLE_RESPONSES: Responses = {
    200: _answer(
        "The bundle's manifest (here without its tags and tokens).",
        {
            "name": "gemma-270m",
            "fingerprint": "43960cc7" + "0" * 56,
            "precision": "int8",
            "coverage": "pruned",
            "files": {"graph.onnx": {"sha256": "0" * 64, "size_bytes": 25_780_030}},
        },
    ),
    **refusals(Unauthorized, NotFound, RequestError, RateLimited),
}
BUNDLE_FILE_RESPONSES: Responses = {
    200: {
        "description": "The file's bytes; 206 with a part of them where a Range was asked for.",
        "content": {
            "application/octet-stream": {
                "schema": {"type": "string", "format": "binary"},
                "example": "bytes",
            }
        },
    },
    **refusals(Unauthorized, NotFound, RangeUnsatisfiable, RequestError, RateLimited),
}

# --- OpenAI --------------------------------------------------------------------------------------

CHAT_EXAMPLES = {
    "whole": Example(
        summary="A whole answer",
        value={
            "model": "gemma-270m",
            "messages": [{"role": "user", "content": "Who are you?"}],
            "max_completion_tokens": 64,
        },
    ),
    "streamed": Example(
        summary="Streamed and sampled, with its usage",
        value={
            "model": "gemma-270m",
            "messages": [
                {"role": "system", "content": "Answer in one sentence."},
                {"role": "user", "content": [{"type": "text", "text": "讲个笑话"}]},
            ],
            "temperature": 0.7,
            "top_p": 0.9,
            "seed": 7,
            "stop": ["\n"],
            "stream": True,
            "stream_options": {"include_usage": True},
        },
    ),
}
_COMPLETION = {
    "id": f"chatcmpl-{_ID}",
    "object": "chat.completion",
    "created": 1767225600,
    "model": "gemma-270m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "I am Doger, a robot dog."},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {
        "prompt_tokens": 44,
        "completion_tokens": 8,
        "total_tokens": 52,
        "prompt_tokens_details": {"cached_tokens": 33},
    },
}
CHAT_RESPONSES: Responses = {
    200: _answer(
        "The answer, whole or as chunks.",
        _COMPLETION,
        'data: {"object":"chat.completion.chunk","choices":[...]}\n\ndata: [DONE]\n\n',
    ),
    **refusals(*_OFTEN, NotFound, DeadlinePassed, openai=True),
}
_CARD = {
    "id": "gemma-270m",
    "object": "model",
    "created": 1767225600,
    "owned_by": "shadowdog",
    "kind": "shadow",
    "default": True,
}
MODELS_RESPONSES: Responses = {
    200: _answer("What is served.", {"object": "list", "data": [_CARD]}),
    **refusals(Unauthorized, Busy, openai=True),
}
MODEL_RESPONSES: Responses = {
    200: _answer("One of them.", _CARD),
    **refusals(Unauthorized, NotFound, Busy, RequestError, openai=True),
}

# --- administration ------------------------------------------------------------------------------

SHADOW_EXAMPLES = {
    "load": Example(summary="Load one", value={"name": "kitchen", "directory": "kitchen-v2"})
}
SHADOW_LOAD_RESPONSES: Responses = {
    201: _answer("It is served now.", {"name": "kitchen", "state": "loaded"}),
    **refusals(Unauthorized, Forbidden, NotFound, Conflict, TooLarge, RequestError, Busy),
}
SHADOW_UNLOAD_RESPONSES: Responses = {
    200: _answer("It is served no longer.", {"name": "kitchen", "state": "unloaded"}),
    **refusals(Unauthorized, Forbidden, NotFound, Conflict, RequestError, Busy),
}

# --- operation -----------------------------------------------------------------------------------

HEALTH_RESPONSES: Responses = {200: _answer("It lives.", {"status": "alive"})}
READY_RESPONSES: Responses = {
    200: _answer("It can answer.", {"status": "ready", "model": "gemma-270m"}),
    **refusals(Busy),
}
METRICS_RESPONSES: Responses = {
    200: {
        "description": "Prometheus's text format.",
        "content": {
            "text/plain": {
                "schema": {"type": "string"},
                "example": "shadowdog_cloud_queued_requests 0.0\n",
            }
        },
    },
    **refusals(Unauthorized),
}
