"""The driver against the real mock over real DDS."""

import asyncio
import math
import time
from collections.abc import Iterator

import pytest

from edge_agent.robot import action_watch, go2, performance, sport_service, state_tracker
from tests.edge_agent.robot.conftest import BOUND_S

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


@pytest.fixture(autouse=True, scope="module")
def _patient() -> Iterator[None]:
    """How soon a driver gives a dog up is tried in virtual time; here seconds are the machine's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(action_watch, "STATE_LOST_S", BOUND_S)
        patch.setattr(performance, "STATE_LOST_S", BOUND_S)
        patch.setattr(sport_service, "CALL_TIMEOUT_S", BOUND_S)
        patch.setattr(sport_service, "STOP_TIMEOUT_S", BOUND_S)
        patch.setattr(state_tracker, "CONNECTED_MAX_AGE_S", BOUND_S)
        patch.setattr(go2, "FIRST_STATE_S", BOUND_S)
        yield


@pytest.fixture(autouse=True)
def _standing(dog):
    dog.stand()


def test_sit_from_standing_tells_its_four_states(dog):
    execution = dog.do(dog.perform("Sit"))
    assert (execution.state, execution.reason) == ("confirmed", None)
    assert [call.name for call in execution.calls] == ["Sit"]
    assert execution.calls[0].code == 0
    assert dog.told == ["sent", "accepted", "moving", "confirmed"]
    assert dog.mock.state()["posture"] == "sitting"


def test_sit_from_lying_stands_up_first_and_rises_again(dog):
    assert dog.do(dog.perform("StandDown")).state == "confirmed"
    before = dog.mock.count()
    assert dog.do(dog.perform("Sit")).state == "confirmed"
    assert dog.mock.names(before) == ["StandUp", "BalanceStand", "Sit"]
    assert dog.do(dog.perform("RiseSit")).state == "confirmed"
    assert dog.mock.state()["posture"] == "standing"


def test_turn_around_accumulates_a_full_turn(dog):
    before = dog.mock.state()["yaw_total_rad"]
    execution = dog.do(dog.perform("TurnAround"))
    assert execution.state == "confirmed"
    turned = dog.mock.state()["yaw_total_rad"] - before
    assert math.degrees(turned) == pytest.approx(360, abs=15)
    moves = [call for call in execution.calls if call.name == "Move"]
    assert all(abs(call.parameter["z"]) <= 1.6 and call.code is None for call in moves)
    assert [call.name for call in execution.calls[-2:]] == ["StopMove", "BalanceStand"]


def test_a_stop_preempts_a_spin_and_the_dog_ends_still(dog):
    async def spin_and_stop():
        start = dog.robot.state().yaw_total_rad
        spin = asyncio.ensure_future(dog.perform("TurnAround"))
        await dog.until(lambda state: state.yaw_total_rad - start > 0.5)
        calls = await dog.robot.stop()
        return start, calls, await spin

    before = dog.mock.count()
    start, calls, execution = dog.do(spin_and_stop())
    assert [(call.name, call.code) for call in calls] == [("StopMove", 0)]
    assert execution.state == "preempted"
    assert dog.mock.names(before)[-1] == "StopMove"
    state = dog.mock.state()
    assert not state["moving"]
    assert state["yaw_total_rad"] - start < math.pi
    asked = dog.mock.count()
    assert dog.do(dog.perform("BalanceStand")).state == "confirmed"  # free again at once
    assert "Move" not in dog.mock.names(asked)
    assert dog.mock.state()["yaw_total_rad"] == pytest.approx(state["yaw_total_rad"], abs=0.02)


def test_the_skill_stop_move_preempts_too_and_other_skills_wait_their_turn(dog):
    async def collide():
        dance = asyncio.ensure_future(dog.perform("Dance"))
        await dog.until(lambda state: state.moving)
        sit = await dog.perform("Sit")
        stop = await dog.perform("StopMove")
        return await dance, sit, stop

    dance, sit, stop = dog.do(collide())
    assert (sit.state, sit.reason) == ("refused", "busy")
    assert stop.state == "confirmed"
    assert dance.state == "preempted"
    assert dog.mock.state()["progress"] == 0.0


def test_a_cancelled_action_stops_the_dog(dog):
    async def cancel():
        turn = asyncio.ensure_future(dog.perform("TurnLeft"))
        await dog.until(lambda state: state.moving)
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn

    before = dog.mock.count()
    dog.do(cancel())
    assert dog.mock.names(before)[-1] == "StopMove"
    assert not dog.mock.state()["moving"]


def test_damp_spoken_to_a_standing_dog_lies_it_down_first(dog):
    before = dog.mock.count()
    assert dog.do(dog.perform("Damp")).state == "confirmed"
    assert dog.mock.names(before) == ["StandDown", "Damp"]
    assert dog.mock.state()["posture"] == "damped"


def test_the_damp_level_of_stop_waits_for_nothing(dog):
    async def dance_and_damp():
        dance = asyncio.ensure_future(dog.perform("Dance"))
        await dog.until(lambda state: state.moving)
        await dog.robot.damp()
        return await dance

    before = dog.mock.count()
    assert dog.do(dance_and_damp()).state == "preempted"
    assert dog.mock.names(before) == ["Dance1", "Damp"]
    dog.do(dog.until(lambda state: state.posture == "damped"))


def test_what_the_firmware_lacks_is_told_or_replaced(dog):
    heart = dog.do(dog.perform("DrawHeart"))
    assert (heart.state, heart.reason) == ("failed", "unsupported_by_firmware")
    assert [(call.name, call.code) for call in heart.calls] == [("Heart", 3203)]
    hello = dog.do(dog.perform("SayHello"))
    assert (hello.state, hello.reason) == ("confirmed", "fallback_used")
    assert [call.name for call in hello.calls][:2] == ["Hello", "Euler"]


def test_the_same_key_is_performed_once(dog):
    async def twice():
        first = asyncio.ensure_future(dog.perform("BalanceStand", key="same"))
        return await asyncio.gather(first, dog.perform("BalanceStand", key="same"))

    before = dog.mock.count()
    first, second = dog.do(twice())
    third = dog.do(dog.perform("BalanceStand", key="same"))
    assert first == second == third
    assert first.state == "confirmed"
    assert dog.mock.count() - before == 1


def test_nothing_starts_after_its_expiry(dog):
    before = dog.mock.count()
    execution = dog.do(dog.perform("Sit", expires_at=time.monotonic() - 0.001))
    assert (execution.state, execution.calls) == ("expired", [])
    assert dog.mock.count() == before


def test_an_expiry_during_the_preparation_keeps_the_skill_from_starting(dog):
    dog.do(dog.perform("StandDown"))
    before = dog.mock.count()
    execution = dog.do(dog.perform("Sit", expires_at=time.monotonic() + 0.5))
    assert execution.state == "expired"
    assert "Sit" not in dog.mock.names(before)


def test_a_second_domain_in_one_process_is_refused(dog, dds_domain):
    from edge_agent.robot.dds_domain import join_domain
    from shared.errors import ConfigurationError

    join_domain(dds_domain, "lo")
    with pytest.raises(ConfigurationError, match="another process"):
        join_domain(dds_domain + 1, "lo")
