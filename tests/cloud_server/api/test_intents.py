"""`POST /v1/intents` over ASGI: replies, events, and what is refused how."""

import json
import logging

import httpx
import pytest

from cloud_server.engine import Engine
from shared.messages import ErrorBody, IntentReply

SSE = {"Accept": "text/event-stream"}


def events_of(response: httpx.Response) -> list[tuple[str, dict]]:
    """Return the events of a finished stream; the form is asserted, not guessed."""
    found = []
    for block in response.text.removesuffix("\n\n").split("\n\n"):
        name, data = block.split("\n")
        assert name.startswith("event: ")
        assert data.startswith("data: ")
        found.append((name[7:], json.loads(data[6:])))
    return found


def test_a_question_gets_words_and_no_skill(scripted, exchange, intent):
    (response,) = exchange(scripted("[REMOTE] Sunny, 狗哥!"), intent(text="weather?"))
    assert response.status_code == 200
    reply = response.json()
    assert set(reply) == set(IntentReply.model_fields)
    assert (reply["request_id"], reply["model"]) == ("q-1", "scripted")
    assert (reply["say"], reply["skills"], reply["finish_reason"]) == ("Sunny, 狗哥!", [], "stop")
    assert reply["usage"]["prompt_tokens"] > 0
    assert set(reply["timings_ms"]) == {"queue", "first_token", "total"}


def test_the_dog_is_not_made_to_say_the_same_for_ever(scripted, exchange, intent):
    (response,) = exchange(scripted("Well, " + 15 * "round and "), intent())
    reply = response.json()
    assert (reply["say"], reply["finish_reason"]) == ("Well, round and round and", "stop")
    assert reply["usage"]["completion_tokens"] < 40


def test_a_skill_comes_from_the_leading_tag(scripted, exchange, intent):
    (response,) = exchange(scripted("[Sit()] As you wish, not [Bark()]."), intent())
    assert response.json()["skills"] == ["Sit"]
    assert response.json()["say"] == "As you wish, not [Bark()]."


@pytest.mark.parametrize(
    ("belief", "confidence", "passed"),
    [
        (0.001, None, False),
        (0.4, None, False),
        (0.6, None, True),
        (0.6, 0.85, False),
        (0.6, 0.9, True),
        (0.4, 0.9, False),
    ],
)
def test_a_skill_that_the_edge_rules_out_moves_no_dog(
    scripted, exchange, intent, belief, confidence, passed
):
    edge = {
        "tag": "[REMOTE]",
        "probability": 1 - belief,
        "posterior": [["[REMOTE]", 1 - belief], ["[Sit()]", belief]],
        "confidence": confidence,
        "fingerprint": "f",
    }
    (response,) = exchange(scripted("[Sit()] Sitting."), intent(edge=edge))
    assert response.json()["skills"] == (["Sit"] if passed else [])
    assert ("Sitting" in response.json()["say"]) == passed


@pytest.mark.parametrize(
    ("name", "belief", "named"),
    [("Sit", 0.3, True), ("Sit", 0.05, False), ("FrontFlip", 0.3, False)],
)
def test_who_is_not_believed_hears_how_to_ask_plainly(
    scripted, exchange, intent, name, belief, named
):
    edge = {
        "tag": "[REMOTE]",
        "probability": 1 - belief,
        "posterior": [["[REMOTE]", 1 - belief], [f"[{name}()]", belief]],
        "fingerprint": "f",
    }
    (response,) = exchange(scripted(f"[{name}()] Here I go."), intent(edge=edge))
    assert response.json()["skills"] == []
    assert "not sure" in response.json()["say"]
    assert ('"sit"' in response.json()["say"]) == named


def test_an_empty_answer_is_owned_up_to(scripted, exchange, intent):
    (response,) = exchange(scripted("[REMOTE]"), intent(lang="zh"))
    assert "答不上来" in response.json()["say"]


def test_streamed_events_are_the_reply_in_pieces(scripted, exchange, intent):
    served = scripted("[Sit()] 坐下啦。")
    whole, streamed = exchange(served, intent(), intent(SSE, session_id="another"))
    assert streamed.headers["content-type"].partition(";")[0] == "text/event-stream"
    *tokens, (last, reply) = events_of(streamed)
    assert {name for name, _ in tokens} == {"token"}
    assert "".join(data["text"] for _, data in tokens) == reply["say"] == "坐下啦。"
    assert last == "done"
    assert {**reply, "timings_ms": 0} == {**whole.json(), "timings_ms": 0}


def test_max_tokens_is_kept(scripted, exchange, intent):
    (response,) = exchange(scripted("ab", endless=True), intent(max_tokens=3))
    assert (response.json()["say"], response.json()["finish_reason"]) == ("aba", "length")


def test_a_tiny_random_model_answers(exchange, intent):
    from cloud_server.loading import make_tiny

    (response,) = exchange(make_tiny(), intent(text="天气怎么样？", max_tokens=8))
    assert response.status_code == 200
    assert response.json()["model"] == "tiny"


@pytest.mark.parametrize("value", ["0", "-5", "soon", "", "1.5", "1e3", "９９", "9" * 30])
def test_a_wrong_deadline_is_refused(scripted, exchange, intent, value):
    (response,) = exchange(scripted("x"), intent({"Shadowdog-Deadline-Ms": value.encode()}))
    assert_refusal(response, 422, "request_invalid")
    assert response.json()["request_id"] == "q-1"
    assert "Shadowdog-Deadline-Ms" in response.json()["message"]


@pytest.mark.parametrize(
    "changes",
    [
        {"text": ""},
        {"text": "\u0000\u0007"},
        {"lang": "fr"},
        {"max_tokens": 0},
        {"surprise": 1},
        {"robot_id": None},
    ],
)
def test_a_wrong_body_is_refused_under_its_own_id(scripted, exchange, intent, changes):
    (response,) = exchange(scripted("x"), intent(**changes))
    assert_refusal(response, 422, "request_invalid")
    assert response.json()["request_id"] == "q-1"


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b"\xff\xfe", "application/json"),
        (b"", "application/json"),
        (b'{"text": "\\ud800", "\\ud800": 1}', "application/json"),
        (b"{}", "text/plain"),
    ],
)
def test_what_is_no_body_is_refused_in_the_same_form(scripted, exchange, content, content_type):
    request = httpx.Request(
        "POST",
        "http://cloud/v1/intents",
        content=content,
        headers={"Content-Type": content_type},
    )
    (response,) = exchange(scripted("x"), request)
    assert response.status_code in (400, 422)
    assert_refusal(response, response.status_code, "request_invalid")


def test_fairness_is_among_keys_and_within_one_among_its_robots(
    scripted, exchange, intent, monkeypatch
):
    """A robot's id is the caller's own word: more of them must win nothing from another key."""
    asked = []

    def submit(engine, request, submit=Engine.submit):
        asked.append((request.owner, request.robot))
        return submit(engine, request)

    monkeypatch.setattr(Engine, "submit", submit)
    keys = ("the-first-callers-key", "the-second-callers-key")
    requests = [
        intent({"Authorization": f"Bearer {key}"}, robot_id=robot)
        for key, robot in ((keys[0], "a"), (keys[0], "b"), (keys[1], "a"))
    ]
    assert {each.status_code for each in exchange(scripted("x"), *requests, api_keys=keys)} == {200}
    assert [robot for _, robot in asked] == ["a", "b", "a"]
    assert asked[0][0] == asked[1][0] != asked[2][0]


def test_another_model_than_the_served_one_is_not_found(scripted, exchange, intent):
    known, unknown = exchange(scripted("x"), intent(model="scripted"), intent(model="gpt"))
    assert known.status_code == 200
    assert_refusal(unknown, 404, "not_found")


def test_no_such_path_and_no_such_method(scripted, exchange):
    missing, wrong = exchange(
        scripted("x"),
        httpx.Request("GET", "http://cloud/nowhere"),
        httpx.Request("GET", "http://cloud/v1/intents"),
    )
    assert_refusal(missing, 404, "not_found")
    assert_refusal(wrong, 405, "request_invalid")
    assert wrong.headers["allow"] == "POST"


def test_an_engine_fault_is_a_500_or_an_error_event_and_tells_no_secrets(
    scripted, exchange, intent, caplog
):
    served = scripted("x")

    def stumble():
        raise RuntimeError("a fault on purpose")

    served.model.before_step = stumble
    caplog.set_level(logging.DEBUG)
    whole, streamed = exchange(served, intent(text="secret words"), intent(SSE))
    assert_refusal(whole, 500, "internal")
    ((name, body),) = events_of(streamed)
    assert name == "error"
    assert (body["code"], body["request_id"]) == ("internal", "q-1")
    assert "fault on purpose" not in whole.text + streamed.text


def test_utterances_and_keys_are_in_no_log(scripted, exchange, intent, caplog):
    caplog.set_level(logging.DEBUG)
    key = {"Authorization": "Bearer key-of-the-test"}
    exchange(
        scripted("the answer's words"),
        intent(key, text="the utterance's words"),
        intent(key, text="the utterance's words", lang="fr"),
        intent({"Authorization": "Bearer a-wrong-key"}),
        api_keys=("key-of-the-test",),
    )
    lines = [record.getMessage() for record in caplog.records]
    assert any("q-1" in line for line in lines)
    for secret in ("words", "key-of-the-test", "a-wrong-key"):
        assert not any(secret in line for line in lines)


def assert_refusal(response: httpx.Response, status: int, code: str) -> None:
    assert response.status_code == status, response.text
    body = response.json()
    assert set(body) == set(ErrorBody.model_fields)
    assert body["code"] == code
    assert body["message"]
    assert body["request_id"]
