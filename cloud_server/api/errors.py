"""Every refusal as one form: `{"code", "message", "request_id"}` with the fitting status.

On OpenAI's paths that body, with `type` and `param` added, stands inside `error`, where OpenAI's
clients look for it.
"""

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from cloud_server.api.quotas import retry_after
from shared.errors import (
    Busy,
    Conflict,
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
from shared.text import encodable

OPENAI_PATHS = ("/v1/chat/", "/v1/completions", "/v1/models")
_CODES = {
    each.status: each.code for each in (Unauthorized, Forbidden, NotFound, Conflict, TooLarge)
}
_OPENAI_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_MAX_MESSAGE_CHARACTERS = 500


def remember_request_id(scope: MutableMapping[str, Any], request_id: str) -> None:
    """Keep the id under which everything about this request is answered and logged."""
    scope.setdefault("state", {})["request_id"] = request_id


def error_body(scope: Mapping[str, Any], code: str, message: str, status: int) -> dict[str, Any]:
    """Return a refusal's body in the form that the path's callers read; its code is noted."""
    scope["state"]["error_code"] = code
    # A caller's own words (a field's name) may come back in the message: short and encodable only.
    safe = encodable(message[:_MAX_MESSAGE_CHARACTERS])
    body = ErrorBody(code=code, message=safe, request_id=scope["state"]["request_id"]).model_dump()
    if not scope["path"].startswith(OPENAI_PATHS):
        return body
    fallback = "server_error" if status >= 500 else "invalid_request_error"
    return {"error": {**body, "type": _OPENAI_TYPES.get(status, fallback), "param": None}}


def error_response(
    scope: Mapping[str, Any],
    code: str,
    message: str,
    status: int,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return a refusal in CONTRACT.md's form."""
    return JSONResponse(error_body(scope, code, message, status), status, dict(headers or {}))


def refusal(scope: Mapping[str, Any], error: ShadowdogError) -> JSONResponse:
    """Return the response for an error of the tree."""
    headers = {}
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = 'Bearer realm="shadowdog"'
    elif isinstance(error, RateLimited):
        headers["Retry-After"] = retry_after(error.retry_after_s)
    elif isinstance(error, RangeUnsatisfiable):
        headers["Content-Range"] = f"bytes */{error.size_bytes}"
    elif isinstance(error, Busy):
        headers["Retry-After"] = "1"
    return error_response(scope, error.code, error.message, error.status, headers)


def internal_error(scope: Mapping[str, Any]) -> JSONResponse:
    """Return the response for what nobody expected; `RequestRecord` sends it, with the request's id."""
    said = "an internal error; the server's log says more"
    return error_response(scope, ShadowdogError.code, said, 500)


def install_error_handlers(app: FastAPI) -> None:
    """Make every error of the tree and every refusal of `app` a body of CONTRACT.md's form."""
    app.add_exception_handler(ShadowdogError, _on_shadowdog_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)


async def _on_shadowdog_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ShadowdogError)
    return refusal(request.scope, error)


async def _on_validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    sent = error.body.get("request_id") if isinstance(error.body, dict) else None
    if isinstance(sent, str) and _REQUEST_ID.fullmatch(sent):
        remember_request_id(request.scope, sent)
    # Where and why, never what was sent: an utterance must not reach a log through an error.
    reasons = [
        f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors()
    ]
    return error_response(request.scope, RequestError.code, "; ".join(reasons), RequestError.status)


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, RequestError.code)
    # A wrong request has one status here, whether FastAPI could read its body or not.
    status = RequestError.status if error.status_code == 400 else error.status_code
    message = str(error.detail)
    if error.status_code in (404, 405):
        message = f"{message}: there is no {request.method} {request.url.path} here"
    return error_response(request.scope, code, message, status, error.headers)
