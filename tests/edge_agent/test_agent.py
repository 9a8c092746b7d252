"""The agent: what becomes of an utterance, and that a stop overtakes everything."""

import asyncio
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_agent.agent import MAX_WAITING
from edge_agent.gate import GatePolicy
from shared.errors import (
    Busy,
    CloudRefused,
    CloudTimeout,
    CloudUnreachable,
    Conflict,
    NotFound,
    RobotError,
)
from shared.outcome import Outcome

DANGEROUS = GatePolicy(allow_dangerous=True)
TIME_LIMIT_S = 20  # only ends a test that hangs


def run(test: Any) -> Any:
    return asyncio.run(asyncio.wait_for(test, TIME_LIMIT_S))


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until `condition` holds; the test's time limit ends it otherwise."""
    while not condition():
        await asyncio.sleep(0)


def test_a_skill_is_decided_and_done_on_the_edge(make_parts: Any) -> None:
    async def test() -> None:
        parts = make_parts()
        outcome = await parts.agent.handle("请坐下")
        assert (outcome.route, outcome.tag, outcome.probability) == ("edge", "[Sit()]", 0.9)
        assert (outcome.lang, outcome.say) == ("zh", "我坐下啦。")
        assert (outcome.execution.state, outcome.execution.skill) == ("confirmed", "Sit")
        assert [call.name for call in outcome.execution.calls] == ["Sit"]
        assert outcome.posterior == [("[Sit()]", 0.9), ("[Tango()]", 0.1)]
        times = outcome.timings_ms
        assert times.intent is not None
        assert times.gate is not None
        assert times.acknowledged is not None
        assert times.confirmed is not None
        assert times.total is not None
        assert times.cloud is None
        assert parts.cloud.requests == []

    run(test())


def test_the_given_language_decides_the_line(make_parts: Any) -> None:
    async def test() -> None:
        outcome = await make_parts().agent.handle("sit", lang="zh")
        assert outcome.say == "我坐下啦。"

    run(test())


def test_a_quoted_word_of_the_other_language_changes_no_language(make_parts: Any) -> None:
    async def test() -> None:
        parts = make_parts()
        assert (await parts.agent.handle("What does 你好 mean?")).lang == "en"
        assert parts.cloud.requests[-1].lang == "en"
        assert (await parts.agent.handle("OK 坐下")).say == "我坐下啦。"

    run(test())


@pytest.mark.parametrize("text", ["", "   ", "...", "？！", "\u200b\n"])
def test_nothing_understood(make_parts: Any, text: str) -> None:
    async def test() -> None:
        parts = make_parts()
        outcome = await parts.agent.handle(text)
        assert (outcome.route, outcome.tag, outcome.execution.state) == ("none", None, "none")
        assert outcome.text == text
        assert parts.recognizer.asked == []

    run(test())


def test_calls_count_from_the_utterance(make_parts: Any) -> None:
    async def test() -> None:
        parts = make_parts()
        parts.cloud.skills, parts.cloud.takes_s = ["Sit"], 1.5
        outcome = await parts.agent.handle("could you take a seat")
        assert outcome.execution.calls[0].at_ms == 1505.0

    run(test())


def test_a_lone_surrogate_cannot_break_the_outcome(make_parts: Any) -> None:
    async def test() -> None:
        outcome = await make_parts().agent.handle("sit \ud83d")
        assert json.loads(outcome.model_dump_json())["text"] == "sit ?"

    run(test())


def test_a_long_utterance_reaches_the_recogniser_whole(make_parts: Any) -> None:
    async def test() -> None:
        parts = make_parts()
        text = "do not listen to this, " * 40 + "but sit"
        await parts.agent.handle(text)
        assert parts.recognizer.asked == [text]  # it refuses what it cannot read whole

    run(test())


# --- the cloud ------------------------------------------------------------------------------------


def test_what_is_no_skill_is_answered_by_the_cloud(make_parts: Any) -> None:
    async def test() -> None:
        parts = make_parts()
        outcome = await parts.agent.handle("how is the weather?", session_id="s1")
        assert (outcome.route, outcome.tag, outcome.say) == ("cloud", "[REMOTE]", "It is sunny.")
        assert outcome.execution.state == "none"
        assert outcome.timings_ms.cloud == 500.0
        assert outcome.timings_ms.cloud_first_token == 500.0
        [request] = parts.cloud.requests
        assert request.request_id == outcome.request_id
        assert (request.session_id, request.robot_id) == ("s1", "dog")
        assert request.edge is not None
        assert (request.edge.tag, request.edge.probability) == ("[REMOTE]", 0.9)
        assert request.edge.fingerprint == "f" * 64
        assert request.robot is not None
        assert (request.robot.posture, request.robot.battery) == ("standing", 80.0)
        assert parts.cloud.deadlines[0] < 20.0  # so that a failure is said in time

    run(test())


def test_a_skill_of_the_cloud_passes_the_gate(make_parts: Any) -> None:
    async def test() -> None:
        parts = make_parts()
        parts.cloud.skills, parts.cloud.say = ["Sit"], "As you wish."
        outcome = await parts.agent.handle("take the weight off your paws")
        assert (outcome.route, outcome.tag, outcome.say) == ("cloud", "[REMOTE]", "As you wish.")
        assert (outcome.execution.skill, outcome.execution.state) == ("Sit", "confirmed")

        parts.cloud.skills = ["FrontFlip"]
        outcome = await parts.agent.handle("somersault for me")
        assert outcome.execution.state == "refused"
        assert outcome.execution.reason == "dangerous_disabled"
        assert outcome.say == "That trick is switched off."
        assert parts.robot.performed == ["Sit"]

    run(test())


def test_several_skills_of_the_cloud_are_done_in_order_until_one_fails(make_parts: Any) -> None:
    async def test() -> None:
        parts = make_parts()
        parts.cloud.skills = ["Sit", "FrontFlip", "Dance"]
        outcome = await parts.agent.handle("several things please")
        assert parts.robot.performed == ["Sit"]
        assert (outcome.execution.skill, outcome.execution.state) == ("FrontFlip", "refused")
        assert [call.name for call in outcome.execution.calls] == ["Sit"]

        parts.cloud.skills = ["Sit", "Dance"]
        await parts.agent.handle("several things please")
        assert len(set(parts.robot.keys)) == 3  # a key is never used twice

    run(test())


def test_a_skill_of_the_cloud_after_the_deadline_is_only_spoken(make_parts: Any) -> None:
    async def test() -> None:
        parts = make_parts()
        parts.cloud.skills, parts.cloud.takes_s = ["Sit"], 21.0
        outcome = await parts.agent.handle("take a seat")
        assert (outcome.execution.state, outcome.execution.skill) == ("expired", "Sit")
        assert outcome.say == "It is sunny."
        assert parts.robot.performed == []

    run(test())


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (CloudUnreachable("x"), "我连不上云端，不过自己的本领还都会。"),
        (CloudTimeout("x"), "云端太慢了，请过会儿再问我。"),
        (CloudRefused("x"), "云端现在不理我，请稍后再试。"),
    ],
)
def test_an_absent_cloud_is_said_and_local_skills_go_on(
    make_parts: Any, error: Exception, line: str
) -> None:
    async def test() -> None:
        parts = make_parts()
        parts.cloud.error = error
        outcome = await parts.agent.handle("今天天气怎么样")
        assert (outcome.route, outcome.tag, outcome.say) == ("offline", "[REMOTE]", line)
        assert (await parts.agent.handle("坐下")).execution.state == "confirmed"

    run(test())


def test_an_unanswered_utterance_is_kept_and_asked_again_later(
    make_parts: Any, tmp_path: Path
) -> None:
    async def test() -> None:
        parts = make_parts(outbox=tmp_path / "outbox.sqlite3")
        await parts.agent.records.open()
        parts.cloud.error = CloudUnreachable("away")
        unanswered = await parts.agent.handle("take a seat and tell me a tale", session_id="s1")
        await parts.agent.handle("sit")
        [entry] = await parts.agent.records.unanswered()
        assert (entry.request_id, entry.session_id) == (unanswered.request_id, "s1")
        assert entry.reason == "cloud_unreachable"
        still = await parts.agent.answer_late(entry.request_id)
        assert still.route == "offline"
        assert len(await parts.agent.records.unanswered()) == 1

        parts.clock.now += 60.0  # the breaker has opened
        parts.cloud.error, parts.cloud.skills = None, ["Dance"]
        parts.cloud.say = "Once upon\u202e a time\x1b[2J."
        late = await parts.agent.answer_late(entry.request_id)
        assert (late.route, late.say) == ("cloud", "Once upon a time[2J.")
        assert late.execution.state == "expired"
        assert (late.execution.reason, late.execution.skill) == ("late_answer", "Dance")
        assert parts.robot.performed == ["Sit"]  # spoken, never acted on
        assert await parts.agent.records.unanswered() == []
        with pytest.raises(NotFound):
            await parts.agent.answer_late(entry.request_id)

    run(test())


def test_an_answer_that_the_deadline_cut_off_is_none(make_parts: Any, tmp_path: Path) -> None:
    async def test() -> None:
        parts = make_parts(outbox=tmp_path / "outbox.sqlite3")
        await parts.agent.records.open()
        parts.cloud.finish_reason = "deadline"
        parts.cloud.say = "I ran out of time before I had an answer."
        cut = await parts.agent.handle("tell me a tale")
        assert (cut.route, cut.execution.reason) == ("offline", "cloud_timeout")
        assert cut.say == "My cloud brain is too slow right now, please try again later."
        late = await parts.agent.answer_late(cut.request_id)
        assert (late.route, late.say) == ("offline", cut.say)
        assert [each.text for each in await parts.agent.records.unanswered()] == ["tell me a tale"]
        skipped = await parts.agent.handle("tell me a tale")  # two in a row open the breaker
        assert skipped.execution.reason == "cloud_skipped"

    run(test())


def test_a_skill_that_an_answer_named_before_its_deadline_is_done(make_parts: Any) -> None:
    async def test() -> None:
        parts = make_parts()
        await parts.agent.handle("sit")
        parts.cloud.finish_reason, parts.cloud.skills = "deadline", ["Sit"]
        outcome = await parts.agent.handle("take a seat")
        assert (outcome.route, outcome.execution.state) == ("cloud", "confirmed")
        await parts.agent.handle("do it again")
        told = [[each.tag for each in request.recent] for request in parts.cloud.requests]
        assert told == [["[Sit()]"], []]  # the cloud remembers both by now

    run(test())


def test_the_cloud_may_ask_for_what_the_operator_allows_it(make_parts: Any) -> None:
    async def test(max_tier: int, skill: str) -> Any:
        policy = GatePolicy(allow_dangerous=True, cloud_max_tier=max_tier)
        parts = make_parts(policy)
        parts.cloud.skills = [skill]
        outcome = await parts.agent.handle("surprise me")
        assert parts.robot.performed == ([skill] if outcome.execution.state == "confirmed" else [])
        return outcome

    refused = [(-1, "Damp"), (0, "Sit"), (1, "Dance"), (2, "FrontFlip")]
    for max_tier, skill in refused:
        outcome = run(test(max_tier, skill))
        assert outcome.execution.reason == "cloud_tier_disabled", skill
        assert "hear its name from you" in outcome.say
    for max_tier, skill in [(0, "Damp"), (1, "Sit"), (2, "Dance")]:
        assert run(test(max_tier, skill)).execution.state == "confirmed"
    assert run(test(3, "FrontFlip")).execution.state == "needs_confirmation"


def test_after_repeated_failures_the_cloud_is_left_alone_for_a_while(make_parts: Any) -> None:
    async def test() -> None:
        parts = make_parts()
        parts.cloud.error = CloudUnreachable("x")
        for _ in range(3):
            outcome = await parts.agent.handle("how is the weather")
            assert outcome.route == "offline"
        assert len(parts.cloud.requests) == 2
        assert parts.agent.status.describe()["cloud"] == "open"
        parts.cloud.error = None
        parts.clock.now += 60
        assert (await parts.agent.handle("how is the weather")).route == "cloud"

    run(test())


# --- stops ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["stop" + "!" * 400, "停下" + "！" * 400])
def test_no_number_of_marks_hides_a_stop(make_parts: Any, text: str) -> None:
    async def test() -> None:
        parts = make_parts()
        outcome = await parts.agent.handle(text)
        assert (outcome.route, parts.robot.stops) == ("reflex", 1)

    run(test())


def test_the_reflex_asks_no_model(make_parts: Any) -> None:
    async def test() -> None:
        parts = make_parts()
        outcome = await parts.agent.handle("狗哥，停下！")
        assert (outcome.route, outcome.tag, outcome.say) == ("reflex", "[StopMove()]", "停下了！")
        assert outcome.execution.state == "confirmed"
        assert [call.api_id for call in outcome.execution.calls] == [1003]
        assert parts.recognizer.asked == []

    run(test())


@pytest.mark.parametrize("text", ["stop", "oh please make it stop now", "cease all that"])
def test_a_stop_preempts_the_action_under_way(make_parts: Any, text: str) -> None:
    async def test() -> None:
        parts = make_parts()
        parts.robot.hold = True
        dancing = asyncio.create_task(parts.agent.handle("dance"))
        await parts.robot.begun.wait()
        assert parts.agent.status.describe()["action"]["skill"] == "Dance"
        stop = await parts.agent.handle(text)
        assert stop.execution.skill == "StopMove"
        assert stop.execution.state == "confirmed"
        danced = await dancing
        assert danced.execution.state == "preempted"
        assert danced.say == "Let's dance!"  # it was said while the dog still danced

    run(test())


def test_a_stop_word_counts_only_while_the_dog_moves(make_parts: Any) -> None:
    async def test() -> None:
        parts = make_parts()
        text = "the bus stop is over there"
        assert (await parts.agent.handle(text)).route == "cloud"
        parts.robot.moving = True
        assert (await parts.agent.handle(text)).route == "reflex"

    run(test())


def test_a_stop_ends_the_wait_for_the_cloud(make_parts: Any) -> None:
    async def test() -> None:
        parts = make_parts()
        parts.cloud.hold, parts.cloud.skills = True, ["Dance"]
        waiting = asyncio.create_task(parts.agent.handle("entertain us somehow"))
        await parts.cloud.asked.wait()
        await parts.agent.stop()
        outcome = await waiting
        assert (outcome.execution.state, outcome.say) == ("preempted", "")
        await until(lambda: parts.cloud.cancelled)
        assert parts.robot.performed == []

    run(test())


def test_what_was_heard_before_a_stop_does_not_start_after_it(make_parts: Any) -> None:
    async def test() -> None:
        parts = make_parts()
        parts.recognizer.open.clear()
        thinking = asyncio.create_task(parts.agent.handle("dance"))
        await until(lambda: bool(parts.recognizer.asked))
        assert (await parts.agent.handle("stop")).execution.state == "confirmed"  # not held up
        parts.recognizer.open.set()
        outcome = await thinking
        assert (outcome.execution.state, outcome.execution.calls) == ("preempted", [])
        assert parts.robot.performed == []

    run(test())


def test_a_stop_that_does_not_get_through_is_said(make_parts: Any) -> None:
    async def test() -> None:
        parts = make_parts()
        parts.robot.stop_code = 3104
        outcome = await parts.agent.handle("stop")
        assert outcome.execution.state == "failed"
        assert outcome.execution.reason == "robot_unavailable"
        assert outcome.say == "The stop did not get through!"

    run(test())


def test_a_stop_is_confirmed_by_the_state_alone(make_parts: Any) -> None:
    async def test() -> None:
        parts = make_parts()
        parts.robot.moving = True
        outcome = await parts.agent.handle("stop")
        assert outcome.execution.state == "accepted"
        assert outcome.timings_ms.confirmed is None

    run(test())


def test_damp_at_once(make_parts: Any) -> None:
    async def test() -> None:
        parts = make_parts()
        parts.robot.hold = True
        dancing = asyncio.create_task(parts.agent.handle("dance"))
        await parts.robot.begun.wait()
        calls = await parts.agent.stop("damp")
        assert [call.api_id for call in calls] == [1001]
        assert (await dancing).execution.state == "preempted"

    run(test())


def test_spoken_damp_ends_the_action_and_is_then_performed(make_parts: Any) -> None:
    async def test() -> None:
        parts = make_parts()
        parts.robot.hold = True
        dancing = asyncio.create_task(parts.agent.handle("dance"))
        await parts.robot.begun.wait()
        damping = asyncio.create_task(parts.agent.handle("go limp"))
        assert (await dancing).execution.state == "preempted"
        parts.robot.release.set()
        outcome = await damping
        assert (outcome.execution.skill, outcome.execution.state) == ("Damp", "confirmed")
        assert parts.robot.performed == ["Dance", "Damp"]

    run(test())


# --- one at a time, refusals, confirmation --------------------------------------------------------


def test_one_action_at_a_time(make_parts: Any) -> None:
    async def test() -> None:
        parts = make_parts(DANGEROUS)
        parts.robot.hold = True
        dancing = asyncio.create_task(parts.agent.handle("dance"))
        await parts.robot.begun.wait()
        refused = await parts.agent.handle("flip")
        assert (refused.execution.state, refused.execution.reason) == ("refused", "busy")
        assert refused.say.startswith("One thing at a time")
        question = await parts.agent.handle("how is the weather")
        assert question.route == "cloud"  # talking is possible meanwhile
        parts.robot.release.set()
        assert (await dancing).execution.state == "confirmed"

    run(test())


def test_a_failure_is_told_honestly(make_parts: Any) -> None:
    async def test() -> None:
        parts = make_parts()
        parts.robot.error = RobotError("broken")
        outcome = await parts.agent.handle("sit")
        assert (outcome.execution.state, outcome.execution.reason) == ("failed", "robot_error")
        assert outcome.say == "I tried, but it did not work."
        parts.robot.error = None
        parts.robot.result = {"state": "failed", "reason": "robot_unavailable"}
        outcome = await parts.agent.handle("坐下")
        assert outcome.say == "我现在连不上自己的身体。"
        assert parts.agent.status.describe()["action"] is None

    run(test())


def test_a_dangerous_skill_waits_for_a_yes(make_parts: Any) -> None:
    async def test() -> None:
        parts = make_parts(DANGEROUS)
        asked = await parts.agent.handle("做个flip吧")
        assert asked.execution.state == "needs_confirmation"
        assert asked.say == "要我前空翻吗？请说：确认前空翻。"
        assert parts.robot.performed == []
        assert parts.agent.status.describe()["confirmation"]["request_id"] == asked.request_id
        parts.clock.now += 5
        done = await parts.agent.confirm(asked.request_id, True)
        assert done.request_id == asked.request_id
        assert (done.execution.state, done.say) == ("confirmed", "前空翻，请让开！")
        with pytest.raises(NotFound):
            await parts.agent.confirm(asked.request_id, True)
        assert parts.robot.performed == ["FrontFlip"]

    run(test())


def test_a_no_a_late_yes_and_a_stop_leave_the_dog_on_its_feet(make_parts: Any) -> None:
    async def test() -> None:
        parts = make_parts(DANGEROUS)
        asked = await parts.agent.handle("flip")
        declined = await parts.agent.confirm(asked.request_id, False)
        assert declined.execution.reason == "confirmation_declined"

        asked = await parts.agent.handle("flip")
        parts.clock.now += 11
        assert parts.agent.status.describe()["confirmation"] is None
        late = await parts.agent.confirm(asked.request_id, True)
        assert late.execution.reason == "confirmation_expired"

        asked = await parts.agent.handle("flip")
        await parts.agent.handle("stop")
        with pytest.raises(NotFound):
            await parts.agent.confirm(asked.request_id, True)
        assert parts.robot.performed == []

    run(test())


def test_a_spoken_yes_has_to_name_the_skill(make_parts: Any) -> None:
    async def test() -> None:
        parts = make_parts(DANGEROUS)
        asked = await parts.agent.handle("flip")
        bare = await parts.agent.handle("yes")
        assert (bare.execution.state, bare.execution.reason) == (
            "needs_confirmation",
            "skill_not_named",
        )
        assert bare.say == "Please name it: say yes, front flip."
        assert parts.robot.performed == []
        done = await parts.agent.handle("yes, flip")
        assert done.request_id != asked.request_id
        assert (done.route, done.tag) == ("edge", "[FrontFlip()]")
        assert (done.execution.state, done.execution.skill) == ("confirmed", "FrontFlip")
        assert parts.robot.performed == ["FrontFlip"]
        with pytest.raises(NotFound):  # it has been answered
            await parts.agent.confirm(asked.request_id, True)

    run(test())


def test_a_spoken_no_and_a_spoken_yes_that_is_late(make_parts: Any) -> None:
    async def test() -> None:
        parts = make_parts(DANGEROUS)
        await parts.agent.handle("做个flip")
        declined = await parts.agent.handle("不要")
        assert declined.execution.reason == "confirmation_declined"
        assert declined.say == "好的，那我不做了。"
        await parts.agent.handle("flip")
        parts.clock.now += 10.1
        late = await parts.agent.handle("yes, flip")  # a wish like any other by now
        assert late.execution.state == "needs_confirmation"
        assert late.execution.reason is None
        assert parts.robot.performed == []

    run(test())


def test_a_request_sent_again_does_not_act_again(make_parts: Any) -> None:
    async def test() -> None:
        parts = make_parts()
        parts.robot.hold = True
        first = asyncio.create_task(parts.agent.handle("dance", request_id="one"))
        await parts.robot.begun.wait()
        again = asyncio.create_task(parts.agent.handle("dance", request_id="one"))
        with pytest.raises(Conflict):
            await parts.agent.handle("sit", request_id="one")
        parts.robot.release.set()
        outcomes = [await first, await again, await parts.agent.handle("dance", request_id="one")]
        assert {outcome.request_id for outcome in outcomes} == {"one"}
        assert outcomes[0] == outcomes[1] == outcomes[2]
        assert parts.robot.performed == ["Dance"]
        assert parts.robot.keys == ["one/1"]
        for stops in (1, 2):  # a stop always stops
            await parts.agent.handle("stop", request_id="one")
            assert parts.robot.stops == stops

    run(test())


def test_what_raised_may_be_sent_again(make_parts: Any) -> None:
    async def test() -> None:
        parts = make_parts()
        parts.robot.error = ZeroDivisionError("inside")
        with pytest.raises(ZeroDivisionError):
            await parts.agent.handle("sit", request_id="one")
        parts.robot.error = None
        refused = await parts.agent.handle("sit", request_id="one")
        # the key has been used: whether the dog moved is unknown, so that it does not move again
        assert refused.execution.reason == "repeated"

    run(test())


def test_a_flood_is_refused_but_not_the_stop(make_parts: Any) -> None:
    async def test() -> None:
        parts = make_parts()
        parts.cloud.hold = True
        waiting = [asyncio.create_task(parts.agent.handle("why")) for _ in range(MAX_WAITING)]
        await until(lambda: len(parts.cloud.requests) == MAX_WAITING)
        with pytest.raises(Busy):
            await parts.agent.handle("why")
        assert (await parts.agent.handle("stop")).execution.state == "confirmed"
        outcomes = await asyncio.gather(*waiting)
        assert {outcome.execution.state for outcome in outcomes} == {"preempted"}

    run(test())


# --- what is kept and told ------------------------------------------------------------------------


def test_every_outcome_is_in_the_journal_and_the_event_stream(
    make_parts: Any, tmp_path: Path
) -> None:
    async def test() -> None:
        journal = tmp_path / "state" / "journal.jsonl"
        parts = make_parts(journal=journal)
        await parts.agent.start()
        listening = parts.agent.events.subscribe()
        outcomes = [await parts.agent.handle(text) for text in ("sit", "", "停")]
        await parts.agent.close()
        kept = [Outcome.model_validate_json(line) for line in journal.read_text().splitlines()]
        assert kept == outcomes
        assert stat.S_IMODE(journal.stat().st_mode) == 0o600
        told = [event async for event in listening.events(10) if event.name == "outcome"]
        assert [Outcome.model_validate_json(event.data) for event in told] == outcomes

    run(test())


def test_the_state_stream_tells_the_action_and_its_line(make_parts: Any) -> None:
    async def test() -> None:
        parts = make_parts()
        listening = parts.agent.events.subscribe()
        await parts.agent.handle("sit")
        parts.agent.events.close()
        events = [event async for event in listening.events(10)]
        actions = [json.loads(each.data)["action"] for each in events if each.name == "state"]
        assert {"Sitting down."} == {action["say"] for action in actions if action}
        assert actions[-1] is None

    run(test())
