"""StopMove and Damp wait for nothing and gather no queue, on real threads and in virtual time."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from edge_agent.robot.sport_line import SdkLine
from edge_agent.robot.sport_service import DAMP, STOP_MOVE, CallLog, SportService
from tests.edge_agent.robot.virtual_dog import VirtualDog

BOUND_S = 20.0


class Client:
    """A SportClient whose robot answers nothing until it is told to."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.answers = threading.Event()
        self._changed = threading.Condition()

    def StopMove(self) -> int:
        return self._take("StopMove")

    def Damp(self) -> int:
        return self._take("Damp")

    def _take(self, name: str) -> int:
        with self._changed:
            self.begun.append(name)
            self._changed.notify_all()
        self.answers.wait(BOUND_S)
        return 0

    async def until_begun(self, name: str) -> None:
        """Wait until a call has left."""

        def wait() -> bool:
            with self._changed:
                return self._changed.wait_for(lambda: name in self.begun, BOUND_S)

        assert await asyncio.get_running_loop().run_in_executor(None, wait), f"{name} never left"


@pytest.fixture
def client() -> Iterator[Client]:
    client = Client()
    yield client
    client.answers.set()


@pytest.fixture
def service(client: Client) -> Iterator[SportService]:
    lines = [SdkLine(name, 1.0) for name in ("ordinary", "stop", "damp")]
    for line in lines:
        line._client = client
    service = SportService(*lines)
    yield service
    client.answers.set()
    service.close()


@pytest.fixture
def log() -> CallLog:
    return CallLog(lambda: 0.0)


def ask(service: SportService, call: tuple[str, int], log: CallLog) -> "asyncio.Task[int]":
    return asyncio.get_running_loop().create_task(service.urgent(call, log))


def test_a_damp_leaves_while_no_stop_is_answered(service, client, log):
    async def press():
        stops = [ask(service, STOP_MOVE, log)]
        await client.until_begun("StopMove")
        # They wait as one, which gives way.
        stops += [ask(service, STOP_MOVE, log) for _ in range(4)]
        damp = ask(service, DAMP, log)
        await client.until_begun("Damp")
        assert not any(stop.done() for stop in stops)
        client.answers.set()
        return await asyncio.gather(*stops, damp)

    assert asyncio.run(press()) == [0] * 6
    assert client.begun == ["StopMove", "Damp"]  # no stop reaches a dog that has gone soft
    names = sorted(call.name for call in log.calls)  # answered at one moment, by two threads
    assert names == ["Damp", "StopMove"]


def test_a_stop_leaves_while_no_damp_is_answered(service, client, log):
    async def press():
        damps = [ask(service, DAMP, log) for _ in range(3)]
        await client.until_begun("Damp")
        service.halt()
        await client.until_begun("StopMove")
        client.answers.set()
        await asyncio.gather(*damps)

    asyncio.run(press())


def test_stops_that_were_not_begun_are_one(service, client, log):
    async def press():
        first = ask(service, STOP_MOVE, log)
        await client.until_begun("StopMove")
        others = [ask(service, STOP_MOVE, log) for _ in range(20)]
        await asyncio.sleep(0)
        for _ in range(20):
            service.halt()
        client.answers.set()
        await asyncio.gather(first, *others)
        return await ask(service, STOP_MOVE, log)

    assert asyncio.run(press()) == 0
    assert client.begun == ["StopMove"] * 3  # the one under way, one for the forty, and a later one
    assert len(log.calls) == 22


def test_a_stop_goes_out_though_whoever_asked_is_cancelled(service, client, log):
    async def press():
        first = ask(service, STOP_MOVE, log)
        await client.until_begun("StopMove")
        impatient, patient = ask(service, STOP_MOVE, log), ask(service, STOP_MOVE, log)
        await asyncio.sleep(0)
        impatient.cancel()
        client.answers.set()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        return await asyncio.gather(first, patient)

    assert asyncio.run(press()) == [0, 0]
    assert client.begun == ["StopMove"] * 2


def test_a_halt_after_the_end_is_none(service, client):
    service.close()
    service.halt()
    assert client.begun == []


def test_five_unanswered_stops_do_not_hold_up_a_damp():
    dog = VirtualDog()
    dog.fault("silent")

    async def press():
        stops = [asyncio.ensure_future(dog.robot.stop()) for _ in range(5)]
        await asyncio.sleep(0.1)
        asked_s = dog.mock.state().time_s
        await dog.robot.damp()
        await asyncio.gather(*stops)
        return asked_s

    asked_s = dog.do(press())
    left_s = [call.at_s for call in dog.mock.calls() if call.name == "Damp"]
    assert left_s == [pytest.approx(asked_s, abs=0.02)]
    assert sum(call.name == "StopMove" for call in dog.mock.calls()) <= 2
    dog.close()
