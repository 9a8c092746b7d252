"""The OpenAPI document: every route with examples that hold, and no request finds a 5xx."""

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from cloud_server.app import create_app
from cloud_server.loading import make_tiny
from cloud_server.settings import CloudSettings

GUARD_S = 60
ADMIN_KEY = "an-admins-key-of-the-test"
EXAMPLES = 15
"""Requests a route and mode: enough to meet each kind of wrong value, in seconds."""
ROUTES = {
    ("/healthz", "get"),
    ("/readyz", "get"),
    ("/metrics", "get"),
    ("/v1/intents", "post"),
    ("/v1/edge-bundles/{shadow}", "get"),
    ("/v1/edge-bundles/{shadow}/files/{name}", "get"),
    ("/v1/chat/completions", "post"),
    ("/v1/models", "get"),
    ("/v1/models/{name}", "get"),
    ("/v1/shadows", "post"),
    ("/v1/shadows/{name}", "delete"),
}


def document() -> dict:
    return create_app(CloudSettings.from_environment(), make_tiny).openapi()


def operations() -> list[tuple[str, str, dict]]:
    return [
        (path, method, operation)
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_route_shows_examples_of_its_answers_and_refusals():
    assert {(path, method) for path, method, _ in operations()} == ROUTES
    for path, method, operation in operations():
        assert operation["summary"], path
        if method == "post":
            content = operation["requestBody"]["content"]["application/json"]
            assert content["examples"], path
        for status, response in operation["responses"].items():
            for shown in response["content"].values():
                assert shown.get("example"), (path, status)
        if path not in ("/healthz", "/readyz"):
            assert "401" in operation["responses"], path
            assert operation["security"], path


def test_the_examples_hold(exchange):
    """Every example of a request is answered, and by a body with the example's keys."""
    for path, method, operation in operations():
        if path.startswith("/v1/shadows") or method != "post":
            continue
        content = operation["requestBody"]["content"]["application/json"]
        for example in content["examples"].values():
            body = {**example["value"], "max_tokens": 2}
            body.pop("max_completion_tokens", None)
            if "model" in body:
                body["model"] = "tiny"
            (answer,) = exchange(
                make_tiny(), httpx.Request("POST", f"http://cloud{path}", json=body)
            )
            assert answer.status_code == 200, answer.text
            shown = operation["responses"]["200"]["content"]["application/json"]["example"]
            if not body.get("stream"):
                assert set(answer.json()) == set(shown)


@pytest.fixture(scope="module")
def schema(serving, tmp_path_factory):
    """The document of a real server with a tiny model; its deadline is short, to be quick."""
    schemathesis = pytest.importorskip("schemathesis")
    app = create_app(
        CloudSettings.from_environment(
            admin_keys=(ADMIN_KEY,),
            max_deadline_s=0.05,
            queue_size=1000,
            shadows_directory=tmp_path_factory.mktemp("shadows"),
        ),
        make_tiny,
    )
    with serving(app) as url:
        app.state.engine.loaded.exception(GUARD_S)
        yield schemathesis.openapi.from_url(f"{url}/openapi.json")


@pytest.mark.parametrize(
    ("path", "method", "mode"),
    [
        (path, method, mode)
        for path, method in sorted(ROUTES)
        for mode in ("positive", "negative")
        if mode == "positive" or path not in ("/healthz", "/readyz")  # these read nothing at all
    ],
)
def test_no_request_finds_a_server_error(schema, path, method, mode):
    from schemathesis import GenerationMode
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    checks = (
        not_a_server_error,
        status_code_conformance,
        content_type_conformance,
        response_schema_conformance,
    )
    operation = schema[path][method]
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"} if "/shadows" in path else {}
    answered = []

    @given(case=operation.as_strategy(generation_mode=GenerationMode(mode)))
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def send(case):
        response = case.call(headers=headers, timeout=GUARD_S)
        answered.append(response.status_code)
        if response.status_code == 504:  # honest: this server's longest deadline is very short
            assert response.json()["error"]["code"] == "deadline_passed"
            return
        case.validate_response(response, checks=checks)
        if response.status_code >= 400:
            body = response.json()
            assert {"code", "message", "request_id"} <= set(body.get("error", body))

    send()
    assert answered
