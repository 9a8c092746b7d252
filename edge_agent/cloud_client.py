"""The edge's way to the cloud: one streamed question, bounded by its deadline, each failure named."""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

import httpx
from typing_extensions import Self

from edge_agent.cloud_answer import check_head, read_answer
from edge_agent.routing import Patience
from edge_agent.tracing import Tracing
from shared.errors import (
    CloudError,
    CloudProtocolError,
    CloudTimeout,
    CloudUnreachable,
    ConfigurationError,
)
from shared.messages import DEADLINE_HEADER, IntentReply, IntentRequest

CONNECT_TIMEOUT_S = 3.0
MAX_ANSWER_MARGIN_S = 0.25
"""What the cloud is given less than the edge has, so that its "deadline" answer still arrives."""

DISCONNECTED = "Server disconnected"
"""How httpcore begins its word on a connection that was closed before any answer."""


class CloudClient:
    """Asks the cloud over HTTP; keeps connections between questions, so close it when done.

    Proxies and other settings of the environment are ignored and redirects are not followed. A
    question is asked again within its deadline as `patience` says. `certificates`: a PEM file of
    the authorities to trust, instead of the public ones. `transport` replaces the network in tests.
    """

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        certificates: Path | None = None,
        patience: Patience | None = None,
        tracing: Tracing | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        # identity: a compressed answer could unpack to any size.
        headers = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}
        headers |= authorization(api_key)
        self._patience = patience or Patience()
        self._tracing = tracing or Tracing()
        address = checked_address(url)
        self._http = httpx.AsyncClient(
            base_url=address,
            headers=headers,
            timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT_S),
            verify=trusted(address, certificates),
            trust_env=False,
            follow_redirects=False,
            transport=transport,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def ask(
        self,
        request: IntentRequest,
        deadline_s: float,
        on_token: Callable[[str], None] = lambda text: None,
    ) -> IntentReply:
        """Return the cloud's answer within `deadline_s` seconds; `on_token` gets each spoken piece.

        CloudUnreachable without a connection, CloudTimeout at the deadline, CloudRefused for an
        error answer, CloudProtocolError for anything that is not what CONTRACT.md says.
        """
        if deadline_s <= 0:
            raise CloudTimeout("no time was left to ask the cloud")
        with self._tracing.question() as headers:
            try:
                return await asyncio.wait_for(
                    self._ask_patiently(request, deadline_s, on_token, headers), deadline_s
                )
            except asyncio.TimeoutError:
                raise CloudTimeout(f"the cloud did not answer within {deadline_s:g} s") from None

    async def _ask_patiently(
        self,
        request: IntentRequest,
        deadline_s: float,
        on_token: Callable[[str], None],
        headers: Mapping[str, str],
    ) -> IntentReply:
        """Ask until there is an answer or a failure that another attempt would not mend."""
        clock = asyncio.get_running_loop().time
        gives_up_at = clock() + deadline_s
        attempt = 1
        while True:
            try:
                return await self._ask(request, gives_up_at - clock(), on_token, headers)
            except CloudError as error:
                pause_s = self._patience.pause_s(error, attempt, gives_up_at - clock())
                if pause_s is None:
                    raise
            await asyncio.sleep(pause_s)
            attempt += 1

    async def _ask(
        self,
        request: IntentRequest,
        deadline_s: float,
        on_token: Callable[[str], None],
        headers: Mapping[str, str],
    ) -> IntentReply:
        left_s = deadline_s - min(MAX_ANSWER_MARGIN_S, deadline_s / 10)
        sent = self._http.build_request(
            "POST",
            "/v1/intents",
            content=request.model_dump_json(),
            headers={
                "Content-Type": "application/json",
                DEADLINE_HEADER: str(max(1, int(1000 * left_s))),
                **headers,
            },
        )
        response = await self._send(sent)
        try:
            await check_head(response)
            return await read_answer(response, request.request_id, on_token)
        except httpx.TransportError as error:
            raise CloudProtocolError(
                f"the cloud's answer broke off ({error.__class__.__name__})"
            ) from error
        finally:
            await response.aclose()

    async def _send(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._http.send(request, stream=True)
        except httpx.RemoteProtocolError as error:
            if not str(error).startswith(DISCONNECTED):
                raise CloudProtocolError(
                    "what answers at the cloud's address is no HTTP"
                ) from error
            raise self._unreachable(error, passing=True) from error
        except httpx.TransportError as error:
            reason = _tls_reason(error)
            if reason is not None:
                raise CloudUnreachable(
                    f"no trusted connection to the cloud at {self._http.base_url} ({reason}); set "
                    "EDGE_CLOUD_CERTIFICATES for an authority of your own, and look at the clock"
                ) from error
            # A connection that timed out has had its seconds; any other failure is over at once.
            raise self._unreachable(error, not isinstance(error, httpx.TimeoutException)) from error

    def _unreachable(self, error: httpx.TransportError, passing: bool) -> CloudUnreachable:
        unreachable = CloudUnreachable(
            f"no connection to the cloud at {self._http.base_url} ({error.__class__.__name__})"
        )
        unreachable.passing = passing
        return unreachable


def trusted(address: httpx.URL, certificates: Path | None) -> ssl.SSLContext | bool:
    """Return whom TLS trusts: the authorities of a PEM file, True for the public ones, False for plain HTTP.

    To read the public authorities takes a tenth of a second, and plain HTTP trusts nobody.
    ConfigurationError where the file cannot be used.
    """
    if certificates is None:
        return address.scheme == "https"
    try:
        return ssl.create_default_context(cafile=str(certificates))
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"EDGE_CLOUD_CERTIFICATES: {certificates} holds no certificates in PEM form ({error})"
        ) from error


def checked_address(url: str) -> httpx.URL:
    """Return the cloud's address; ConfigurationError where it is none of HTTP."""
    try:
        address = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ConfigurationError(f"the cloud's address {url!r} is no URL") from error
    if address.scheme not in ("http", "https") or not address.host:
        raise ConfigurationError(f"the cloud's address {url!r} must start with http(s)://host")
    return address


def authorization(api_key: str | None) -> dict[str, str]:
    """Return the header that carries the cloud's key, if there is one; ConfigurationError where none can."""
    if not api_key:
        return {}
    if not (api_key.isascii() and api_key.isprintable()):
        raise ConfigurationError("the cloud's key may only hold printable ASCII characters")
    return {"Authorization": f"Bearer {api_key}"}


def _tls_reason(error: BaseException) -> str | None:
    """Return what TLS found wrong, None where the failure is none of TLS's."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        if isinstance(cause, ssl.SSLError):
            return cause.reason or "TLS failed"
        cause = cause.__cause__ or cause.__context__
    return None
