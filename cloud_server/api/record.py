"""What is kept of every request: an id, one line in the log, its figures, and a span."""

import logging
import time
from collections.abc import Callable
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud_server.api.errors import internal_error, remember_request_id
from cloud_server.api.metrics import CloudMetrics
from cloud_server.api.presence import CLIENT_CLOSED_REQUEST
from cloud_server.api.tracing import Span, Tracing

NO_ROUTE = "none"
"""Stands for every path that is no route: a caller's own spelling must not reach labels or logs."""
QUIET_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
"""What machines ask all day: no span, and a line only where it is refused or looked for."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
FAILED_STATUS = 500

logger = logging.getLogger(__name__)


class RequestRecord:
    """The outermost middleware; keeps numbers, codes and ids, never what was said or a key.

    The id is the server's own until a body brings the edge's; every answer carries it. `paths` are
    those of the service's routes.
    """

    def __init__(
        self,
        app: ASGIApp,
        metrics: CloudMetrics,
        tracing: Tracing,
        paths: frozenset[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._tracing = tracing
        self._paths = paths
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        remember_request_id(scope, str(uuid4()))
        began_at_s = self._clock()
        status = CLIENT_CLOSED_REQUEST

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = scope["state"]["request_id"]
            await send(message)

        with self._tracing.serve(scope["path"] not in QUIET_PATHS, Headers(scope=scope)) as span:
            try:
                await self._app(scope, receive, noting)
            except Exception:
                if status == CLIENT_CLOSED_REQUEST:  # nothing has been answered
                    await internal_error(scope)(scope, receive, noting)
                raise
            except BaseException:
                status = FAILED_STATUS if status == CLIENT_CLOSED_REQUEST else status
                raise
            finally:
                self._conclude(scope, status, self._clock() - began_at_s, span)

    def _conclude(self, scope: Scope, status: int, seconds: float, span: Span) -> None:
        state = scope["state"]
        # What the guard refuses meets no route, but its path may be one's.
        asked: str = scope["path"] if scope["path"] in self._paths else NO_ROUTE
        route: str = getattr(scope.get("route"), "path", asked)
        method = scope["method"] if scope["method"] in _METHODS else "other"
        code = state.get("error_code")
        self._metrics.requested(route, status, seconds, code)
        span.rename(f"{method} {route}")
        figures = {
            "request_id": state["request_id"],
            "caller": state.get("caller", "-"),
            "method": method,
            "route": route,
            "status": status,
            "code": code or "-",
            "ms": round(1000 * seconds, 1),
        }
        for name, value in figures.items():
            span.note(f"shadowdog.{name}", value)
        logger.log(
            logging.DEBUG if route in QUIET_PATHS and code is None else logging.INFO,
            "%(method)s %(route)s %(status)d %(code)s, %(ms).1f ms, request %(request_id)s of "
            "%(caller)s",
            figures,
            extra={"figures": figures},
        )
