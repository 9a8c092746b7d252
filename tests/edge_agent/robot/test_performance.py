"""One action against a mock that answers everything and obeys what a test lets it; virtual time."""

import asyncio
import itertools
from collections.abc import Callable, Iterator

import pytest

from edge_agent.robot.action_watch import SETTLE_S, STATE_LOST_S, TICK_S
from edge_agent.robot.choreography import CHOREOGRAPHIES, Choreography, Wait
from edge_agent.robot.interface import DRIVER_TICK_S
from shared.outcome import Execution
from tests.edge_agent.robot.virtual_dog import VirtualDog


@pytest.fixture
def dog() -> Iterator[VirtualDog]:
    dog = VirtualDog()
    yield dog
    dog.close()


def swallow(dog: VirtualDog, name: str, times: int) -> None:
    """Let the mock acknowledge the next `times` calls of this name and obey none of them."""
    take, left = dog.mock.take, [times]

    def take_unless_swallowed(service: str, api_id: int, parameter: str):
        if dog.ids[name] == api_id and left[0] > 0:
            left[0] -= 1
            return 0, ""
        return take(service, api_id, parameter)

    dog.mock.take = take_unless_swallowed  # type: ignore[method-assign]


def count(dog: VirtualDog, name: str) -> int:
    return sum(call.name == name for call in dog.mock.calls())


def test_a_posture_call_that_a_busy_dog_swallowed_is_asked_once_more(dog):
    swallow(dog, "Sit", 1)
    execution = dog.do(dog.perform("Sit"))
    assert execution.state == "confirmed"
    assert [call.name for call in execution.calls] == ["Sit", "Sit"]


def test_a_walk_that_is_acknowledged_and_not_walked_is_not_confirmed(dog):
    swallow(dog, "Move", 10_000)
    execution = dog.do(dog.perform("WaltzDance"))
    assert (execution.state, execution.reason) == ("failed", "not_confirmed")
    assert dog.names()[-1] == "StopMove"


@pytest.mark.parametrize("skill", ["WaltzDance", "TurnLeft", "ShakeBody"])
def test_a_dog_that_is_not_ready_yet_is_asked_for_balance_until_it_moves(skill):
    dog = VirtualDog("lying")
    dog.fault("unready", seconds=6.0)
    before_s = dog.loop.time()
    execution = dog.do(dog.perform(skill))
    took_s = dog.loop.time() - before_s
    assert execution.state == "confirmed"
    names = [call.name for call in execution.calls]
    assert names[:2] == ["StandUp", "BalanceStand"]
    assert names.count("BalanceStand") > 3
    assert took_s > 6.0
    dog.close()


def test_a_dog_that_never_gets_ready_is_given_up(dog):
    dog.mock._physics.put("lying")
    dog.fault("unready", seconds=60.0)
    before_s = dog.loop.time()
    execution = dog.do(dog.perform("TurnLeft"))
    assert (execution.state, execution.reason) == ("failed", "not_confirmed")
    assert 12.0 < dog.loop.time() - before_s < 17.0
    assert dog.names()[-1] == "StopMove"


def test_a_ready_dog_loses_no_time(dog):
    before_s = dog.loop.time()
    assert dog.do(dog.perform("WaltzDance")).state == "confirmed"
    assert dog.loop.time() - before_s == pytest.approx(18 * 0.6, abs=1.5)


def test_moves_are_sent_again_twenty_times_a_second(dog):
    assert dog.do(dog.perform("WaltzDance")).state == "confirmed"
    times = [call.at_s for call in dog.mock.calls() if call.name == "Move"]
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert max(gaps) <= 0.06
    assert len(times) == pytest.approx(18 * 0.6 * 20, abs=25)


def test_a_dance_that_never_begins_is_not_confirmed(dog):
    swallow(dog, "Dance1", 1)
    execution = dog.do(dog.perform("Dance"))
    assert (execution.state, execution.reason) == ("failed", "not_confirmed")
    # a dance asked for twice might be danced twice
    assert [call.name for call in execution.calls].count("Dance1") == 1


def test_a_rejected_call_names_its_code_and_moves_nothing(dog):
    dog.fault("rejecting", code=4201)
    execution = dog.do(dog.perform("Sit"))
    assert (execution.state, execution.reason) == ("failed", "call_rejected_4201")
    assert dog.names() == ["Sit"]


def test_what_the_firmware_lacks_is_asked_for_once_a_session(dog):
    first = dog.do(dog.perform("WiggleHips"))
    second = dog.do(dog.perform("WiggleHips"))
    assert (first.state, first.reason) == ("confirmed", "fallback_used")
    assert (second.state, second.reason) == ("confirmed", "fallback_used")
    assert [call.name for call in first.calls][:2] == ["WiggleHips", "Euler"]
    assert next(call.name for call in second.calls) == "Euler"
    assert count(dog, "WiggleHips") == 1


def test_a_restarted_dog_is_asked_again(dog):
    dog.do(dog.perform("WiggleHips"))
    dog.fault("restarted", away_s=3.0)

    dog.rest(5.0)
    dog.fault("old_firmware")
    execution = dog.do(dog.perform("WiggleHips"))
    assert (execution.state, execution.reason) == ("confirmed", None)
    assert [call.name for call in execution.calls][:3] == ["StandUp", "BalanceStand", "WiggleHips"]
    assert count(dog, "WiggleHips") == 2


@pytest.mark.parametrize("skill", ["Wallow", "WiggleHips"])
def test_old_firmware_does_the_trick_itself(dog, skill):
    dog.fault("old_firmware")
    execution = dog.do(dog.perform(skill))
    assert (execution.state, execution.reason) == ("confirmed", None)
    assert [call.name for call in execution.calls] == [skill, "StopMove", "BalanceStand"]


def test_a_fallen_dog_recovers_and_does_nothing_else(dog):
    dog.fault("fallen")
    dog.rest(1.0)
    execution = dog.do(dog.perform("Sit"))
    assert (execution.state, execution.reason, execution.calls) == ("failed", "posture_fallen", [])
    execution = dog.do(dog.perform("RecoveryStand"))
    assert execution.state == "confirmed"
    assert dog.mock.state().posture == "standing"


def test_a_fallen_dog_goes_soft_and_is_believed(dog):
    dog.fault("fallen")
    dog.rest(1.0)
    execution = dog.do(dog.perform("Damp"))
    assert (execution.state, execution.reason) == ("confirmed", None)
    assert dog.names() == ["Damp"]
    state = dog.robot.state()
    assert (state.posture, state.mode) == ("fallen", 7)
    assert dog.do(dog.perform("RecoveryStand")).state == "confirmed"


def test_a_dog_that_does_not_go_soft_is_not_confirmed_and_not_stopped(dog):
    dog.fault("fallen")
    dog.rest(1.0)
    swallow(dog, "Damp", 10)
    execution = dog.do(dog.perform("Damp"))
    assert (execution.state, execution.reason) == ("failed", "not_confirmed")
    assert [(call.name, call.code) for call in execution.calls] == [("Damp", 0), ("Damp", 0)]


def test_a_dog_gone_soft_is_not_stopped_where_its_state_is_lost(dog):
    async def lose():
        soft = asyncio.ensure_future(dog.perform("Damp"))
        await asyncio.sleep(1.7)
        assert dog.names()[-1] == "Damp"
        dog.fault("stale_state")
        return await soft

    execution = dog.do(lose())
    assert (execution.state, execution.reason) == ("failed", "state_stale")
    assert dog.names() == ["StandDown", "Damp"]


def test_a_damp_refused_by_the_robot_ends_with_a_stop(dog):
    dog.fault("rejecting", api_ids=[dog.ids["Damp"]])
    assert dog.do(dog.perform("Damp")).state == "failed"
    assert dog.names() == ["StandDown", "Damp", "StopMove"]


def test_a_dog_whose_sport_service_is_off_confirms_nothing(dog):
    assert dog.mock.take("motion_switcher", 1003, "{}") == (0, "")
    for skill in ("Sit", "TurnLeft"):
        execution = dog.do(dog.perform(skill))
        assert (execution.state, execution.reason) == ("failed", "sport_service_off")
    execution = dog.do(dog.perform("StopMove"))
    assert execution.state == "failed"


def test_a_stop_from_another_thread_leaves_nothing_moving(dog):
    async def halt_in_motion():
        spin = asyncio.ensure_future(dog.perform("TurnAround"))
        await asyncio.sleep(1.0)
        dog.robot.halt()
        return await spin

    execution = dog.do(halt_in_motion())
    assert execution.state == "preempted"
    assert dog.names()[-1] == "StopMove"
    assert not dog.mock.state().moving


@pytest.fixture
def waiting(dog, monkeypatch):
    """Let a skill wait for five seconds; return what came of it and how long after the event."""
    steps = (Wait(5.0),)
    monkeypatch.setitem(
        CHOREOGRAPHIES, "Patience", Choreography("Patience", "standing", "standing", 5.0, steps)
    )

    def wait(event: Callable[[], None]) -> tuple[Execution, float]:
        async def meet() -> tuple[Execution, float]:
            waiting = asyncio.ensure_future(dog.perform("Patience"))
            await asyncio.sleep(1.0)
            event()
            met_s = dog.loop.time()
            execution = await waiting
            return execution, dog.loop.time() - met_s

        return dog.do(meet())

    return wait


def test_a_wait_ends_within_a_tick_of_a_halt(dog, waiting):
    execution, took_s = waiting(dog.robot.halt)
    assert execution.state == "preempted"
    assert took_s <= DRIVER_TICK_S + SETTLE_S + 2 * TICK_S


def test_a_wait_ends_where_the_state_is_lost(dog, waiting):
    execution, took_s = waiting(lambda: dog.fault("stale_state"))
    assert (execution.state, execution.reason) == ("failed", "state_stale")
    assert took_s <= STATE_LOST_S + 2 * DRIVER_TICK_S


def test_a_wait_takes_its_time(dog, waiting):
    execution, took_s = waiting(lambda: None)
    assert execution.state == "confirmed"
    assert took_s == pytest.approx(4.0 + SETTLE_S, abs=0.1)


def test_a_stop_waits_for_no_call_that_is_not_answered(dog):
    dog.fault("silent")

    async def stop_meanwhile():
        sitting = asyncio.ensure_future(dog.perform("Sit"))
        await asyncio.sleep(0.3)
        asked_s = dog.mock.state().time_s
        await dog.robot.stop()
        return asked_s, await sitting

    asked_s, execution = dog.do(stop_meanwhile())
    assert execution.state == "preempted"
    stops = [call.at_s for call in dog.mock.calls() if call.name == "StopMove"]
    assert stops[0] == pytest.approx(asked_s, abs=0.02)
