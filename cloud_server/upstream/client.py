"""HTTP to an upstream: its models, and one streamed completion; every failure is one of two errors."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import httpx
from pydantic import SecretStr, ValidationError

from cloud_server.upstream.messages import (
    COMPLETIONS_PATH,
    MODELS_PATH,
    STREAM_END,
    CompletionChunk,
    CompletionRequest,
    UpstreamModel,
    UpstreamModels,
)
from shared.errors import TooLarge, UpstreamError, UpstreamLost

CONNECT_S = 5.0
PASSING = frozenset({408, 425, 429})
"""Statuses below 500 after which the same request may pass elsewhere or later."""
_MAX_COMPLAINT = 300


class UpstreamClient:
    """Asks one address; used on one event loop.

    UpstreamLost where nobody answers or an answer breaks off: the same may work again.
    UpstreamError where the upstream refuses, or answers what it should not; TooLarge where the request is too long for it. `silence_s`: after how
    long without a byte an answer counts as broken off.
    """

    def __init__(
        self,
        url: str,
        key: SecretStr | None = None,
        *,
        silence_s: float = 10.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/").removesuffix("/v1")
        headers = {} if key is None else {"Authorization": f"Bearer {key.get_secret_value()}"}
        self._http = httpx.AsyncClient(
            base_url=self.url,
            headers=headers,
            timeout=httpx.Timeout(silence_s, connect=CONNECT_S, pool=None),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
            transport=transport,
        )

    async def models(self) -> tuple[UpstreamModel, ...]:
        """Return what the upstream serves."""
        async with self._failing_well():
            response = await self._http.get(MODELS_PATH)
            self._check(response)
            return tuple(UpstreamModels.model_validate_json(response.content).data)

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[CompletionChunk, None]:
        """Yield an answer's chunks to their end; leaving the iteration gives the request up."""
        async with self._failing_well():
            body = request.model_dump(mode="json", exclude_none=True)
            async with self._http.stream("POST", COMPLETIONS_PATH, json=body) as response:
                if response.status_code != 200:
                    await response.aread()
                    self._check(response)
                async for line in _lines(response):
                    if not line.startswith("data:"):
                        continue
                    data = line.removeprefix("data:").strip()
                    if data == STREAM_END:
                        return
                    if data.startswith('{"error"'):  # too late for a status of its own
                        raise UpstreamLost(f"{self.url} gave up: {data[:_MAX_COMPLAINT]}")
                    yield CompletionChunk.model_validate_json(data)
            raise UpstreamLost(f"{self.url} broke off an answer")

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    def _check(self, response: httpx.Response) -> None:
        status = response.status_code
        if status == 200:
            return
        if status == 413:
            raise TooLarge("the request is longer than the model's server takes; shorten it")
        said = f"{self.url} answered {status}: {response.text[:_MAX_COMPLAINT]}"
        if status in (401, 403):
            raise UpstreamError(f"{said}; set CLOUD_UPSTREAM_KEY to a key of its own")
        if status >= 500 or status in PASSING:
            raise UpstreamLost(said)
        raise UpstreamError(said)

    @asynccontextmanager
    async def _failing_well(self) -> AsyncIterator[None]:
        try:
            yield
        except httpx.HTTPError as error:
            raise UpstreamLost(f"{self.url} does not answer ({type(error).__name__})") from error
        except ValidationError as error:
            raise UpstreamError(
                f"{self.url} is no OpenAI-compatible server that Shadowdog knows: "
                f"{error.errors()[0]['msg']}"
            ) from error


async def _lines(response: httpx.Response) -> AsyncIterator[str]:
    """Yield a stream's lines. httpx's own end at U+2028 and the like, too, which an answer may hold."""
    left = b""
    async for piece in response.aiter_bytes():
        *whole, left = (left + piece).split(b"\n")
        for line in whole:
            yield line.rstrip(b"\r").decode("utf-8", "replace")
    if left:
        yield left.decode("utf-8", "replace")
