"""Every skill from every posture on its feet or its belly: it ends in its declared state, its calls
recorded. In virtual time and without the network; `test_rehearsal.py` does it over DDS."""

import pytest

from edge_agent.robot.choreography import CHOREOGRAPHIES
from shared.skills import SKILL_NAMES
from tests.edge_agent.robot.virtual_dog import VirtualDog

PREPARATION_S = 5.0


@pytest.mark.parametrize("start", ["standing", "sitting", "lying", "damped"])
@pytest.mark.parametrize("skill", SKILL_NAMES)
def test_it_ends_in_its_declared_state_with_its_calls_recorded(skill, start):
    dog = VirtualDog(start)
    before_s = dog.loop.time()
    execution = dog.do(dog.perform(skill))
    took_s = dog.loop.time() - before_s
    choreography, state = CHOREOGRAPHIES[skill], dog.mock.state()

    assert execution.state == "confirmed"
    assert execution.reason in (None, "fallback_used")
    assert state.posture == (choreography.end or start)
    assert not state.moving
    assert took_s <= 1.25 * choreography.duration_s + PREPARATION_S
    assert dog.told[0] == "sent"
    assert dog.told[-1] == "confirmed"

    got = dog.names()
    told = [call.name for call in execution.calls]
    assert [name for at, name in enumerate(told) if told[at - 1 : at] != [name]] == got
    assert [call.code for call in dog.mock.calls() if call.code not in (0, 3203)] == []
    dog.close()
