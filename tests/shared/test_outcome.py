"""The outcome's and the messages' forms are CONTRACT.md's."""

import json

import pytest
from pydantic import ValidationError

from shared.messages import IntentReply, IntentRequest, StopRequest
from shared.outcome import Call, Execution, Outcome, now_rfc3339


def test_the_outcome_has_the_contracts_keys() -> None:
    call = Call(api_id=1009, name="Sit", parameter={}, code=0, at_ms=12.1)
    outcome = Outcome(
        request_id="r",
        time=now_rfc3339(),
        source="text",
        text="坐下",
        lang="zh",
        route="edge",
        tag="[Sit()]",
        execution=Execution(state="confirmed", skill="Sit", calls=[call]),
    )
    body = json.loads(outcome.model_dump_json())
    assert set(body) == {
        *("request_id", "time", "source", "text", "lang", "heard_probability", "route", "tag"),
        *("probability", "posterior", "say", "execution", "timings_ms"),
    }
    assert set(body["execution"]) == {"state", "reason", "skill", "calls"}
    assert set(body["execution"]["calls"][0]) == {"api_id", "name", "parameter", "code", "at_ms"}
    assert set(body["timings_ms"]) == {
        *("asr", "intent", "gate", "acknowledged", "confirmed", "cloud_first_token", "cloud"),
        "total",
    }
    assert body["time"].endswith("Z")


def test_unknown_keys_of_a_request_are_refused() -> None:
    with pytest.raises(ValidationError):
        StopRequest.model_validate({"level": "stop", "hard": True})
    with pytest.raises(ValidationError):
        StopRequest.model_validate({"level": "explode"})


def test_an_intent_request_takes_the_contracts_body() -> None:
    body = {
        "request_id": "1b4e28ba-2fa1-11d2-883f-0016d3cca427",
        "robot_id": "dog",
        "session_id": "s",
        "text": "weather?",
        "lang": "en",
        "edge": {
            "tag": "[REMOTE]",
            "probability": 0.9,
            "posterior": [["[REMOTE]", 0.9]],
            "fingerprint": "f",
        },
        "robot": {"posture": "standing", "battery": 80},
        "model": None,
        "max_tokens": 128,
    }
    assert IntentRequest.model_validate(body).edge is not None
    with pytest.raises(ValidationError):
        IntentRequest.model_validate({**body, "max_tokens": 0})


def test_a_newer_servers_keys_are_ignored() -> None:
    body = {
        "request_id": "r",
        "model": "m",
        "say": "hi",
        "skills": [],
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 1, "completion_tokens": 1},
        "timings_ms": {"queue": 0.0, "first_token": 1.0, "total": 2.0},
        "mood": "fine",
    }
    assert IntentReply.model_validate(body).say == "hi"
