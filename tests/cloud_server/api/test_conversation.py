"""`POST /v1/intents` within a session: what was said before, and the last thing again."""

import dataclasses

import pytest

from cloud_server.api.service import Generation
from cloud_server.engine import Done
from shared.prompt import Turn

BELIEVES_NOTHING = {
    "tag": "[REMOTE]",
    "probability": 1.0,
    "posterior": [["[REMOTE]", 1.0], ["[Sit()]", 0.0]],
    "fingerprint": "f",
}
SPIN = {"text": "do a full spin", "tag": "[TurnAround()]"}


@pytest.fixture
def prompts(monkeypatch) -> list[list[Turn]]:
    """The turns before each utterance, as the prompt's encoder gets them."""
    from shared.prompt import PromptEncoder

    seen: list[list[Turn]] = []
    encode = PromptEncoder.encode_prompt

    def note(self, utterance, history=()):
        seen.append(list(history))
        return encode(self, utterance, history)

    monkeypatch.setattr(PromptEncoder, "encode_prompt", note)
    return seen


def test_an_utterance_is_answered_after_what_was_said_before(scripted, exchange, intent, prompts):
    """The tiny profile's prompts hold earlier exchanges."""
    exchange(
        scripted("[Sit()] As you wish."),
        intent(text="sit down"),
        intent(text="why?"),
        intent(text="hi", session_id="another"),
        intent(text="hi", robot_id="another"),
        profile="tiny",
    )
    assert prompts == [
        [],
        [Turn("user", "sit down"), Turn("dog", "[Sit()] As you wish.")],
        [],
        [],
    ]


@pytest.mark.parametrize("turns", [{}, {"prompt_turns": 0}, {"profile": "tiny", "prompt_turns": 0}])
def test_a_shadow_that_takes_no_turns_is_asked_without_and_again_works(
    scripted, exchange, intent, prompts, turns
):
    """The default profile's shadow was trained on single utterances."""
    first, again = exchange(
        scripted("[Sit()] Down."),
        intent(text="sit down"),
        intent(text="again", edge=BELIEVES_NOTHING),
        **turns,
    )
    assert first.json()["skills"] == again.json()["skills"] == ["Sit"]
    assert prompts == [[], []]


@pytest.mark.parametrize(("turns", "told"), [(1, ["b"]), (2, ["a", "b"]), (9, ["a", "b"])])
def test_the_prompt_holds_only_the_newest_turns(scripted, exchange, intent, prompts, turns, told):
    said = [intent(text=text) for text in ("a", "b", "c")]
    exchange(scripted("x"), *said, prompt_turns=turns)
    assert [turn.text for turn in prompts[2] if turn.role == "user"] == told


def test_another_keys_session_of_the_same_name_is_not_seen(scripted, exchange, intent, prompts):
    keys = ("key-one-of-two", "key-two-of-two")
    headers = [{"Authorization": f"Bearer {key}"} for key in keys]
    exchange(scripted("x"), intent(headers[0], text="a secret"), intent(headers[1]), api_keys=keys)
    assert prompts == [[], []]


@pytest.mark.parametrize(("said", "lang"), [("do it again", "en"), ("狗哥，再来一次", "zh")])
def test_again_means_the_sessions_last_skill_whatever_the_model_would_say(
    scripted, exchange, intent, said, lang
):
    first, again, question = exchange(
        scripted("[Sit()] Down."),
        intent(text="sit down"),
        intent(text=said, lang=lang, edge=BELIEVES_NOTHING),
        intent(text="and who are you?", edge=BELIEVES_NOTHING),
    )
    assert first.json()["skills"] == ["Sit"]
    assert again.json()["skills"] == ["Sit"]  # though the edge's posterior rules it out
    assert question.json()["skills"] == []  # for anything else it goes on ruling it out


def test_again_means_what_the_dog_did_on_its_own(scripted, exchange, intent, prompts):
    once, twice = exchange(
        scripted(" Here I go."),
        intent(text="do it again", recent=[SPIN], edge=BELIEVES_NOTHING),
        intent(text="one more time", edge=BELIEVES_NOTHING),
        prompt_turns=4,
    )
    assert once.json()["skills"] == twice.json()["skills"] == ["TurnAround"]
    assert once.json()["say"] == "Here I go."
    spun = [Turn("user", SPIN["text"]), Turn("dog", "[TurnAround()] Spinning all the way round!")]
    assert prompts[0] == spun
    assert prompts[1][:2] == spun
    assert prompts[1][2] == Turn("user", "do it again")


def test_a_skill_that_only_the_edge_was_taught_keeps_its_place(scripted, exchange, intent, prompts):
    taught = {"text": "do push-ups", "tag": "[PushUps()]"}
    question, again = exchange(
        scripted("Nice."),
        intent(text="how was that?", recent=[SPIN, taught]),
        intent(text="do it again", recent=[taught]),
        prompt_turns=4,
    )
    assert question.status_code == again.status_code == 200
    assert prompts[0][2:] == [Turn("user", "do push-ups"), Turn("dog", "")]
    assert again.json()["skills"] == []  # not the spin before it


def test_a_skill_that_was_named_before_the_deadline_is_what_again_means(
    scripted, exchange, intent, monkeypatch
):
    whole = Generation.events

    async def cut_off(generation):
        async for event in whole(generation):
            late = isinstance(event, Done)
            yield dataclasses.replace(event, finish_reason="deadline") if late else event

    monkeypatch.setattr(Generation, "events", cut_off)
    spun, cut, again = exchange(
        scripted("[Sit()] Sure, I"),
        intent(text="do it again", recent=[SPIN]),
        intent(text="take a seat"),
        intent(text="do it again"),
    )
    assert (spun.json()["skills"], cut.json()["finish_reason"]) == (["TurnAround"], "deadline")
    assert cut.json()["skills"] == again.json()["skills"] == ["Sit"]


def test_again_with_nothing_before_it_moves_no_dog(scripted, exchange, intent):
    believes = {**BELIEVES_NOTHING, "posterior": [["[Sit()]", 0.957], ["[REMOTE]", 0.04]]}
    for edge in (None, believes):
        (reply,) = exchange(scripted("[Sit()] Down."), intent(text="do it again", edge=edge))
        assert reply.json()["skills"] == []


def test_what_leaves_the_ground_is_not_repeated_on_a_word(scripted, exchange, intent):
    (reply,) = exchange(
        scripted("[FrontFlip()] Flip!"),
        intent(
            text="again",
            recent=[{"text": "flip", "tag": "[FrontFlip()]"}],
            edge=BELIEVES_NOTHING,
        ),
    )
    assert reply.json()["skills"] == []


@pytest.mark.parametrize(
    "recent",
    [
        [SPIN] * 5,
        [{"text": "x", "tag": "[REMOTE]"}],
        [{"text": "x", "tag": "[Explode]"}],
        [{"text": "x", "tag": "Explode()"}],
        [{"text": "x" * 401, "tag": "[Sit()]"}],
        [{"text": "x"}],
    ],
)
def test_a_wrong_recent_is_refused(scripted, exchange, intent, recent):
    (response,) = exchange(scripted("x"), intent(recent=recent))
    assert (response.status_code, response.json()["code"]) == (422, "request_invalid")


def test_an_answer_that_met_its_deadline_is_not_remembered(scripted, exchange, intent, prompts):
    served = scripted("a", endless=True)
    late = intent({"Shadowdog-Deadline-Ms": "1"}, text="quick", max_tokens=512)
    reply, _ = exchange(served, late, intent(max_tokens=1), prompt_turns=4)
    assert reply.json()["finish_reason"] == "deadline"
    assert prompts == [[], []]
