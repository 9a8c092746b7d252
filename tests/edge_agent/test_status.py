"""What the agent tells of itself as time passes: a question's time left, which is no news by itself."""

import asyncio
import json
from typing import Any

from edge_agent.events import Event
from edge_agent.gate import GatePolicy

POLICY = GatePolicy(allow_dangerous=True, confirmation_window_s=10.0)


def question_of(event: Event) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(event.data)["confirmation"]
    return told


def test_the_time_that_a_question_has_left_is_told(make_parts: Any) -> None:
    async def test() -> None:
        parts = make_parts(POLICY)
        asked = await parts.agent.handle("flip")
        question = {"request_id": asked.request_id, "skill": "FrontFlip", "window_s": 10.0}
        status = parts.agent.status
        assert status.describe()["confirmation"] == {**question, "left_s": 10.0}
        parts.clock.now += 6
        assert status.describe()["confirmation"] == {**question, "left_s": 4.0}
        assert question_of(status.event()) == {**question, "left_s": 4.0}
        parts.clock.now += 4.5
        assert status.describe()["confirmation"] is None

    asyncio.run(test())


def test_time_that_passes_is_no_news_and_news_tell_it(make_parts: Any) -> None:
    async def test() -> None:
        parts = make_parts(POLICY)
        await parts.agent.handle("flip")
        subscription = parts.agent.events.subscribe()
        for _ in range(3):
            parts.agent.status.publish()
            parts.clock.now += 2
        parts.robot.posture = "sitting"
        parts.agent.status.publish()
        parts.agent.events.close()
        told = [event async for event in subscription.events(heartbeat_s=60)]
        assert [question_of(event)["left_s"] for event in told if event] == [10.0, 4.0]

    asyncio.run(test())
