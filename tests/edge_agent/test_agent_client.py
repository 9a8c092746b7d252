"""The agent's client: what it sends of what a command line may give it."""

from pathlib import Path

import httpx
import pytest

from edge_agent.agent_client import AgentClient, AgentRefused
from edge_agent.settings import EdgeSettings
from shared.messages import ErrorBody


@pytest.mark.parametrize(
    ("request_id", "path"),
    [("one", "one"), ("\udcff", "%3F"), ("../stop", "..%2Fstop"), ("问", "%E9%97%AE")],
)
def test_any_id_of_the_outbox_is_asked_for_as_it_is(request_id: str, path: str) -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.raw_path.decode())
        body = ErrorBody(code="not_found", message="none waits by that id", request_id="r")
        return httpx.Response(404, text=body.model_dump_json())

    with (
        AgentClient("http://agent", transport=httpx.MockTransport(answer)) as agent,
        pytest.raises(AgentRefused, match="none waits"),
    ):
        agent.answer_late(request_id)
    assert asked == [f"/v1/outbox/{path}"]


def test_a_client_of_settings_trusts_the_agents_own_certificate(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trusted: list[Path] = []
    monkeypatch.setattr("edge_agent.agent_client.trust_only", lambda path: trusted.append(path))
    own = tmp_path / "certificate.pem"
    settings = EdgeSettings(pairing_token="a-token-of-this-test", tls_certificate=own, tls_key=own)  # type: ignore[arg-type]
    with AgentClient.of(settings) as agent:
        assert agent.url.startswith("https://")
    assert trusted == [own]
