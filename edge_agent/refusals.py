"""Every HTTP refusal as one form: `{"code", "message", "request_id"}` with the fitting status."""

from collections.abc import Mapping, MutableMapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from shared.errors import (
    Busy,
    Conflict,
    Forbidden,
    NotFound,
    RequestError,
    ShadowdogError,
    TooLarge,
    Unauthorized,
)
from shared.messages import ErrorBody
from shared.text import encodable

_CODES = {
    each.status: each.code for each in (Unauthorized, Forbidden, NotFound, Conflict, TooLarge)
}
_NO_OBJECT = ("model_attributes_type", "dict_type")
"""What is wrong with a body that was not read as JSON, because nothing said that it is."""
JSON_TYPE = "application/json"
_MAX_MESSAGE_CHARACTERS = 500


def remember_request_id(scope: MutableMapping[str, Any], request_id: str) -> None:
    """Keep the id under which a refusal of this request is answered."""
    scope.setdefault("state", {})["request_id"] = request_id


def refusal(scope: Mapping[str, Any], error: ShadowdogError) -> JSONResponse:
    """Return the response for an error of the tree."""
    headers = {}
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = 'Bearer realm="shadowdog"'
    elif isinstance(error, Busy):
        headers["Retry-After"] = "1"
    return _respond(scope, error.code, error.message, error.status, headers)


def media_type(request: Request) -> str:
    """Return what a request says its body is, without parameters; empty where it says nothing."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def install_refusals(app: FastAPI) -> None:
    """Make every error of `app` a body of CONTRACT.md's form."""
    app.add_exception_handler(ShadowdogError, _on_shadowdog_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(Exception, _on_unexpected)


def _respond(
    scope: Mapping[str, Any],
    code: str,
    message: str,
    status: int,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    # A caller's own words (a field's name) may stand in the message: short and encodable only.
    safe = encodable(message[:_MAX_MESSAGE_CHARACTERS])
    body = ErrorBody(code=code, message=safe, request_id=scope["state"]["request_id"])
    return JSONResponse(body.model_dump(), status, dict(headers or {}))


async def _on_shadowdog_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ShadowdogError)
    return refusal(request.scope, error)


async def _on_validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    # Where and why, never what was sent: an utterance must not reach a log through an error.
    reasons = [
        f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors()
    ]
    if media_type(request) != JSON_TYPE and any(
        each["type"] in _NO_OBJECT for each in error.errors()
    ):
        reasons.append(f"send `Content-Type: {JSON_TYPE}`")
    return _respond(request.scope, RequestError.code, "; ".join(reasons), RequestError.status)


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, RequestError.code)
    message = str(error.detail)
    if error.status_code in (404, 405):
        message = f"{message}: there is no {request.method} {request.url.path} here"
    return _respond(request.scope, code, message, error.status_code, error.headers)


async def _on_unexpected(request: Request, error: Exception) -> JSONResponse:
    return _respond(
        request.scope, ShadowdogError.code, "an internal error; the agent's log says more", 500
    )
