"""Talking to a running agent over HTTP, for the command line and the simulation; blocking."""

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

import httpx
from pydantic import ValidationError
from typing_extensions import Self

from edge_agent.tls import trust_only
from shared.errors import ConfigurationError, RequestError
from shared.messages import ErrorBody
from shared.outcome import Outcome
from shared.text import Language, encodable

if TYPE_CHECKING:
    from edge_agent.settings import EdgeSettings

UTTERANCE_TIMEOUT_S = 180.0
"""An utterance is answered when its action has ended: a deadline and the longest dance."""
STOP_TIMEOUT_S = 5.0
AHEAD_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 3.0


class AgentRefused(RequestError):
    """The agent's refusal; `reason` is the code that it gave, of any branch of the error tree."""

    def __init__(self, refused: ErrorBody) -> None:
        super().__init__(f"{refused.message} ({refused.code})")
        self.reason = refused.code


class AgentClient:
    """Calls of CONTRACT.md's edge API; may be used from several threads.

    ConfigurationError where no agent answers, AgentRefused for a refusal, RequestError for an answer
    that no agent of this version gives.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        transport: httpx.BaseTransport | None = None,
        certificate: Path | None = None,
    ) -> None:
        """`certificate`: the agent's own, where it speaks HTTPS; no other is taken then."""
        self.url = url
        self._http = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            trust_env=False,
            verify=trust_only(certificate) if certificate else True,
            transport=transport,
        )

    @classmethod
    def of(cls, settings: "EdgeSettings") -> Self:
        """Return the client of the agent that these settings are of: its address, token and certificate."""
        token = settings.pairing_token
        secret = token.get_secret_value() if token else None
        return cls(settings.url, secret, certificate=settings.tls_certificate)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def say(
        self, text: str, lang: Language | None = None, session_id: str | None = None
    ) -> Outcome:
        """Return what came of an utterance, once its action has ended."""
        body = {"text": encodable(text), "lang": lang, "session_id": session_id}
        return _outcome(self._call("POST", "/v1/utterances", body))

    def hear(
        self,
        recording: bytes,
        *,
        source: Literal["audio", "microphone"] = "audio",
        push_to_talk: bool = True,
        session_id: str | None = None,
    ) -> Outcome:
        """Return what came of a WAV's bytes, as `say` does for words: `POST /v1/audio`.

        The recording is the body; source, push_to_talk and session_id are the query.
        """
        query = {"source": source, "push_to_talk": str(push_to_talk).lower()}
        if session_id is not None:
            query["session_id"] = session_id
        headers = {"Content-Type": "audio/wav"}
        return _outcome(
            self._send("POST", "/v1/audio", content=recording, params=query, headers=headers)
        )

    def anticipate(self, recording: bytes) -> bool:
        """Let the agent begin to understand a WAV that may go on: `POST /v1/audio/early`.

        Nothing is done because of it; whether the agent has begun.
        """
        headers = {"Content-Type": "audio/wav"}
        answer = self._send(
            "POST", "/v1/audio/early", AHEAD_TIMEOUT_S, content=recording, headers=headers
        )
        return answer.get("begun") is True

    def stop(self) -> dict[str, Any]:
        """Stop all motion at once; the calls that were made, as `POST /v1/stop` tells them."""
        return self._call("POST", "/v1/stop", {"level": "stop"}, timeout_s=STOP_TIMEOUT_S)

    def answer_late(self, request_id: str) -> Outcome:
        """Return what the cloud answers now to an utterance of the outbox; the dog only says it."""
        return _outcome(self._call("POST", f"/v1/outbox/{quote(encodable(request_id), safe='')}"))

    def state(self) -> dict[str, Any]:
        """Return `GET /v1/state`."""
        return self._call("GET", "/v1/state")

    def _call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        timeout_s: float = UTTERANCE_TIMEOUT_S,
    ) -> dict[str, Any]:
        return self._send(method, path, timeout_s, json=body)

    def _send(
        self, method: str, path: str, timeout_s: float = UTTERANCE_TIMEOUT_S, **request: Any
    ) -> dict[str, Any]:
        timeout = httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S)
        try:
            response = self._http.request(method, path, timeout=timeout, **request)
        except httpx.TransportError as error:
            raise ConfigurationError(
                f"no agent answers at {self.url} ({error.__class__.__name__}); start one with "
                "`edge-agent run` or `edge-agent simulate`"
            ) from error
        try:
            if response.is_success:
                value: dict[str, Any] = response.json()
                return value
            refused = ErrorBody.model_validate_json(response.content)
        except ValueError:
            raise RequestError(f"{self.url}{path} answers, but is no agent of ours") from None
        raise AgentRefused(refused)


def _outcome(value: dict[str, Any]) -> Outcome:
    try:
        return Outcome.model_validate(value)
    except ValidationError as error:
        raise RequestError("the agent's outcome is not of this version's form") from error
