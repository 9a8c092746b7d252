"""What is kept of every request: an id, one line, figures; never a key and never what was said."""

import json
import logging

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from cloud_server.api.metrics import CloudMetrics
from cloud_server.engine import Done, GenerationRequest
from cloud_server.logs import JsonFormatter
from shared.skills import SKILL_NAMES

KEY, ADMIN_KEY = "key-of-the-record-test", "admin-key-of-the-record-test"
SECRETS = ("utterance-words", "answer-words", "system-words", "label-words", KEY, "wrong-bearer")
AUTHORIZED = {"Authorization": f"Bearer {KEY}"}
REQUEST = GenerationRequest("q", (1,), 9, 1.0)
DONE = Done("words", "stop", 40, 30, 11, 20.0, 120.0, 620.0)


def get(path: str, headers=AUTHORIZED, method: str = "GET", **options) -> httpx.Request:
    return httpx.Request(method, f"http://cloud{path}", headers=headers, **options)


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Return every sample of an exposition by its name and label values."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def records_of(caplog) -> list[logging.LogRecord]:
    return [each for each in caplog.records if each.name == "cloud_server.api.record"]


def test_every_answer_carries_its_id_and_the_log_has_one_line_of_it(
    scripted, exchange, intent, caplog
):
    caplog.set_level(logging.INFO)
    asked, refused, unknown = exchange(
        scripted("[Sit()] x"), intent(AUTHORIZED), intent(), get("/no/such"), api_keys=(KEY,)
    )
    assert asked.headers["x-request-id"] == "q-1"
    lines = [json.loads(JsonFormatter().format(each)) for each in records_of(caplog)]
    assert [line["request_id"] for line in lines] == [
        "q-1",
        refused.json()["request_id"],
        unknown.json()["request_id"],
    ]
    assert [(each["route"], each["status"], each["code"], each["caller"]) for each in lines] == [
        ("/v1/intents", 200, "-", "key-1"),
        ("/v1/intents", 401, "unauthorized", "anyone"),
        ("none", 404, "not_found", "key-1"),
    ]


def test_what_nobody_expected_is_answered_and_counted_like_a_refusal(
    scripted, exchange, caplog, monkeypatch
):
    def fail(engine):
        raise ZeroDivisionError

    monkeypatch.setattr("cloud_server.engine.Engine.models", fail)
    failed, metrics = exchange(scripted("x"), get("/v1/models"), get("/metrics"))
    body = failed.json()["error"]
    assert (failed.status_code, body["code"]) == (500, "internal")
    assert failed.headers["x-request-id"] == body["request_id"]
    errors = {
        key: value for key, value in samples(metrics.text).items() if "errors_total" in key[0]
    }
    assert [value for key, value in errors.items() if "internal" in key] == [1]


def test_no_secret_and_no_utterance_is_in_any_log_at_debug_level(
    scripted, exchange, intent, caplog
):
    caplog.set_level(logging.DEBUG)
    chat = {
        "model": "scripted",
        "user": "label-words",
        "messages": [
            {"role": "system", "content": "system-words"},
            {"role": "user", "content": "utterance-words"},
        ],
    }
    url = "http://cloud/v1/chat/completions"
    said = {"text": "utterance-words", "recent": [{"text": "utterance-words", "tag": "[Sit()]"}]}
    exchange(
        scripted("answer-words"),
        intent(AUTHORIZED, **said),
        intent({**AUTHORIZED, "Accept": "text/event-stream"}, **said),
        intent(AUTHORIZED, **said, lang="utterance-words"),
        intent({"Authorization": "Bearer wrong-bearer"}),
        httpx.Request("POST", url, json=chat, headers=AUTHORIZED),
        httpx.Request("POST", url, json={**chat, "stream": True}, headers=AUTHORIZED),
        httpx.Request("POST", url, json={**chat, "seed": "utterance-words"}, headers=AUTHORIZED),
        get("/utterance-words?utterance-words"),
        get("/v1/models/utterance-words"),
        get("/v1/shadows", method="POST", json={"name": "utterance-words"}),
        api_keys=(KEY,),
        admin_keys=(ADMIN_KEY,),
    )
    # httpx is the caller here: what it logs of its own requests is not the service's.
    ours = [each for each in caplog.records if each.name != "httpx"]
    lines = [JsonFormatter().format(each) for each in ours]
    assert len(records_of(caplog)) == 10
    for secret in SECRETS:
        assert not [line for line in lines if secret in line], secret


@pytest.mark.parametrize("kind", ["whole", "streamed"])
def test_a_fault_inside_is_a_500_that_says_nothing(scripted, exchange, intent, caplog, kind):
    caplog.set_level(logging.INFO)
    served = scripted("x")
    served.encoder.encode_prompt = lambda *_: 1 / 0  # outside the engine: FastAPI's own way
    headers = {"Accept": "text/event-stream"} if kind == "streamed" else {}
    (response,) = exchange(served, intent(headers))
    assert (response.status_code, response.json()["code"]) == (500, "internal")
    assert records_of(caplog)[0].figures["status"] == 500


def test_metrics_count_requests_by_route_and_refusals_by_code(scripted, exchange, intent):
    *_, metrics = exchange(
        scripted("[Sit()] x"),
        intent(),
        intent(text="a", session_id="b"),
        intent(lang="fr"),
        get("/a/path/that/somebody/chose", {}),
        get("/v1/models/a-name-that-somebody-chose", {}),
        get("/metrics", {}),
    )
    found = samples(metrics.text)
    assert found["shadowdog_cloud_requests_total", "/v1/intents", "200"] == 2
    assert found["shadowdog_cloud_requests_total", "/v1/intents", "422"] == 1
    assert found["shadowdog_cloud_requests_total", "none", "404"] == 1
    assert found["shadowdog_cloud_requests_total", "/v1/models/{name}", "404"] == 1
    assert found["shadowdog_cloud_errors_total", "request_invalid"] == 1
    assert found["shadowdog_cloud_skills_total", "Sit"] == 2
    assert found["shadowdog_cloud_sessions",] == 2
    assert found["shadowdog_cloud_finished_answers_total", "stop"] == 2
    assert "somebody" not in metrics.text
    labels = {key[-1] for key in found if key[0] == "shadowdog_cloud_skills_total"}
    assert labels <= {*SKILL_NAMES, "none"}


def test_metrics_tell_what_the_engine_says():
    metrics = CloudMetrics()
    metrics.waiting(3, 2)
    metrics.stepped(2, 5, 0.02)
    metrics.finished(REQUEST, DONE)
    metrics.dropped(REQUEST, "cancelled")
    metrics.reused(30, 10)
    metrics.holding(4096)
    from prometheus_client import generate_latest

    found = samples(generate_latest(metrics.registry).decode())
    name = "shadowdog_cloud_"
    assert (found[f"{name}queued_requests",], found[f"{name}active_requests",]) == (3, 2)
    assert found[f"{name}batch_rows_sum",] == 2
    assert found[f"{name}step_tokens_total",] == 5
    assert found[f"{name}completion_tokens_total",] == 11
    assert found[f"{name}first_token_seconds_sum",] == pytest.approx(0.12)
    assert found[f"{name}answer_tokens_per_second_sum",] == pytest.approx(20.0)
    assert found[f"{name}dropped_answers_total", "cancelled"] == 1
    assert found[f"{name}prompt_cache_tokens_total", "reused"] == 30
    assert found[f"{name}prompt_cache_tokens_total", "computed"] == 10
    assert found[f"{name}cache_bytes",] == 4096
