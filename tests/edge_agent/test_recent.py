"""What the dog did alone, kept for the cloud: bounded, and dropped once it has been told."""

import asyncio

import pytest

from edge_agent.recent import MAX_SESSIONS, RecentCommands
from shared.errors import CloudTimeout
from shared.messages import MAX_RECENT, RecentCommand


def command(text: str) -> RecentCommand:
    return RecentCommand(text=text, tag="[Sit()]")


def test_only_the_newest_are_kept_by_session():
    recent = RecentCommands()
    for number in range(MAX_RECENT + 2):
        recent.note("a", command(str(number)))
    recent.note("b", command("b"))
    assert [each.text for each in recent.of("a")] == ["2", "3", "4", "5"]
    assert [each.text for each in recent.of("b")] == ["b"]
    assert recent.of("c") == []


def test_what_was_told_is_dropped_and_what_came_since_stays():
    recent = RecentCommands()
    recent.note("a", command("same"))
    told = recent.of("a")
    recent.note("a", command("same"))  # done while the cloud was asked
    recent.forget("a", told)
    assert [each.text for each in recent.of("a")] == ["same"]
    recent.forget("a", recent.of("a"))
    assert recent.of("a") == []


def test_the_longest_unused_session_goes_first():
    recent = RecentCommands()
    for number in range(MAX_SESSIONS + 1):
        recent.note(str(number), command("x"))
    assert recent.of("0") == []
    assert recent.of(str(MAX_SESSIONS))


def test_the_cloud_is_told_what_the_dog_did_alone(make_parts):
    async def go():
        parts = make_parts()
        await parts.agent.start()
        for text in ("sit", "hey, dance", "cease", "what is your name?", "and why?"):
            await parts.agent.handle(text, session_id="s")
        await parts.agent.handle("why?", session_id="another")
        await parts.agent.close()
        return [
            [(each.text, each.tag) for each in request.recent] for request in parts.cloud.requests
        ]

    first, second, other = asyncio.run(go())
    assert first == [("sit", "[Sit()]"), ("hey, dance", "[Dance()]")]  # a stop is no such command
    assert second == other == []


@pytest.mark.parametrize("trouble", ["refused by the gate", "failed"])
def test_what_was_not_done_is_not_told(make_parts, trouble):
    async def go():
        parts = make_parts()
        await parts.agent.start()
        if trouble == "failed":
            parts.robot.result = {"state": "failed", "reason": "robot_rejected"}
        await parts.agent.handle("flip" if trouble != "failed" else "sit")  # tier 3 is off
        await parts.agent.handle("and why?")
        await parts.agent.close()
        return parts.cloud.requests[0].recent

    assert asyncio.run(go()) == []


def test_a_cloud_that_did_not_answer_is_told_again(make_parts):
    async def go():
        parts = make_parts()
        await parts.agent.start()
        await parts.agent.handle("sit")
        parts.cloud.error = CloudTimeout("late")
        await parts.agent.handle("again?")
        parts.cloud.error = None
        await parts.agent.handle("again?")
        await parts.agent.close()
        return [len(request.recent) for request in parts.cloud.requests]

    assert asyncio.run(go()) == [1, 1]


@pytest.mark.parametrize(
    ("skills", "told"),
    [([], ["[Sit()]"]), (["Dance"], [])],  # an answer that named a skill is remembered there
)
def test_a_cloud_whose_answer_met_its_deadline_is_told_again(make_parts, skills, told):
    async def go():
        parts = make_parts()
        await parts.agent.start()
        await parts.agent.handle("sit")
        parts.cloud.finish_reason, parts.cloud.skills = "deadline", skills
        await parts.agent.handle("what now?")
        parts.cloud.finish_reason, parts.cloud.skills = "stop", []
        await parts.agent.handle("again?")
        await parts.agent.close()
        return [[each.tag for each in request.recent] for request in parts.cloud.requests]

    assert asyncio.run(go()) == [["[Sit()]"], told]


def test_again_is_deferred_whatever_the_recogniser_takes_it_for(make_parts):
    async def go():
        parts = make_parts()
        await parts.agent.start()
        parts.recognizer.knows["again"] = "Sit"  # as the default bundle does, with 0.957
        parts.cloud.skills = ["Dance"]
        outcome = await parts.agent.handle("do it again, please")
        sentence = await parts.agent.handle("dance, then sit again")
        await parts.agent.close()
        return outcome, sentence, parts.robot.performed

    again, sentence, performed = asyncio.run(go())
    assert (again.tag, again.route, again.execution.skill) == ("[REMOTE]", "cloud", "Dance")
    assert sentence.route == "edge"  # only a whole repeat phrase is deferred
    assert performed[0] == "Dance"
