"""What a session remembers, and every bound on it."""

import pytest

from cloud_server.api.sessions import (
    MAX_DOG_CHARACTERS,
    SessionKey,
    SessionLimits,
    Sessions,
    acted_exchange,
    answered_exchange,
)
from cloud_server.loading import GEMMA_MARKS, make_byte_tokenizer
from shared.prompt import GEMMA, PromptEncoder, Turn
from shared.skills import skill

ME = SessionKey("key-1", "dog", "s")


@pytest.fixture(scope="module")
def encoder() -> PromptEncoder:
    """One token a byte."""
    return PromptEncoder(make_byte_tokenizer(GEMMA_MARKS), make_byte_tokenizer(GEMMA_MARKS), GEMMA)


def exchange(said: str):
    return answered_exchange(said, "yes", None)


def said_in(sessions: Sessions, key: SessionKey = ME) -> list[str]:
    return [each.said for each in sessions.recall(key)]


def test_what_was_said_comes_back_as_it_is_trained(encoder, clock):
    sessions = Sessions(SessionLimits(), clock)
    sessions.remember(ME, [acted_exchange("坐下", "Sit"), exchange("why?")], encoder)
    turns = [turn for each in sessions.recall(ME) for turn in each.turns]
    assert turns == [
        Turn("user", "坐下"),
        Turn("dog", "[Sit()] 我坐下啦。"),
        Turn("user", "why?"),
        Turn("dog", "yes"),
    ]


def test_only_the_newest_turns_and_tokens_are_kept(encoder, clock):
    sessions = Sessions(SessionLimits(turns=3, tokens=20), clock)
    for said in ("a", "b", "c", "d"):
        sessions.remember(ME, [exchange(said)], encoder)
    assert said_in(sessions) == ["b", "c", "d"]
    sessions.remember(ME, [exchange("e" * 10)], encoder)  # 13 bytes; one more of 4 fits beside it
    assert said_in(sessions) == ["d", "e" * 10]
    sessions.remember(ME, [exchange("f" * 30)], encoder)  # too long by itself: nothing is left
    assert said_in(sessions) == []


def test_a_long_answer_is_remembered_by_its_beginning(encoder, clock):
    (kept,) = [answered_exchange("q", "w" * 1000, None)]
    assert len(kept.answered) == MAX_DOG_CHARACTERS


def test_a_quiet_session_is_forgotten(encoder, clock):
    sessions = Sessions(SessionLimits(idle_s=10), clock)
    sessions.remember(ME, [exchange("a")], encoder)
    clock.now_s = 9
    assert said_in(sessions) == ["a"]
    sessions.remember(ME, [exchange("b")], encoder)
    clock.now_s = 18
    assert said_in(sessions) == ["a", "b"]
    clock.now_s = 19
    assert said_in(sessions) == []
    assert sessions.count() == 0


def test_the_longest_unused_session_goes_first(encoder, clock):
    sessions = Sessions(SessionLimits(sessions=2), clock)
    one, two, three = (SessionKey("key-1", "dog", name) for name in "123")
    for key in (one, two, one, three):
        sessions.remember(key, [exchange("a")], encoder)
    assert [len(sessions.recall(key)) for key in (one, two, three)] == [2, 0, 1]
    assert sessions.count() == 2


def test_a_keys_many_sessions_push_out_no_other_keys(encoder, clock):
    sessions = Sessions(SessionLimits(sessions=4), clock)
    other = SessionKey("key-2", "dog", "s")
    sessions.remember(ME, [exchange("mine")], encoder)
    sessions.remember(other, [exchange("theirs")], encoder)
    for number in range(10):
        sessions.remember(SessionKey("key-2", f"dog-{number}", "s"), [exchange("more")], encoder)
    assert said_in(sessions) == ["mine"]
    assert said_in(sessions, other) == []  # of the key with most the longest unused one goes
    assert said_in(sessions, SessionKey("key-2", "dog-9", "s")) == ["more"]
    assert sessions.count() == 4


def test_nothing_is_kept_where_nothing_may_be(encoder, clock):
    sessions = Sessions(SessionLimits(turns=0), clock)
    sessions.remember(ME, [exchange("a")], encoder)
    assert (said_in(sessions), sessions.count()) == ([], 0)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_sessions_of_other_keys_robots_and_names_are_apart(encoder, clock, position):
    sessions = Sessions(SessionLimits(), clock)
    sessions.remember(ME, [exchange("a secret")], encoder)
    other = list(ME)
    other[position] += "-other"
    assert said_in(sessions, SessionKey(*other)) == []


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("sit down 啦 dog", skill("Sit").say("en")),
        ("狗哥，来个 sit down", skill("Sit").say("zh")),
    ],
)
def test_what_the_dog_said_alone_is_in_the_language_that_most_of_it_heard(said: str, line: str):
    assert acted_exchange(said, "Sit").answered == line
