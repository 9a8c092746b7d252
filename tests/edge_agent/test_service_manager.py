"""What systemd is told, read from a real datagram socket as systemd would."""

import asyncio
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.heartbeat import SILENT_TICKS, DeadMan
from edge_agent.service_manager import BEATS_A_WINDOW, ServiceManager
from tests.edge_agent.conftest import FakeClock


class Manager:
    """systemd's end of the socket."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.setblocking(False)
        self.address = address

    def heard(self) -> list[str]:
        """Return the messages that have come since the last look."""
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return messages

    def environment(self, **more: str) -> dict[str, str]:
        return {"NOTIFY_SOCKET": self.address, **more}


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(str(tmp_path / "notify"))
    yield manager
    manager.socket.close()


def beats(times: int, told: ServiceManager, dead_man: DeadMan, clock: FakeClock) -> None:
    """Let so many intervals of the sign of life go by on the fake clock."""

    class Enough(Exception): ...

    left = times

    async def sleep(seconds: float) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Enough
        await clock.sleep(seconds)

    with pytest.raises(Enough):
        asyncio.run(told.keep_alive(lambda: dead_man.trouble, sleep))


@pytest.fixture
def dead_man() -> Iterator[DeadMan]:
    made = DeadMan(lambda: None)
    made.start()
    yield made
    made.close()


def test_ready_and_stopping_reach_it(systemd: Manager) -> None:
    told = ServiceManager.from_environment(systemd.environment())
    told.ready("listening on http://127.0.0.1:8080")
    told.stopping()
    ready, stopping = systemd.heard()
    assert ready.splitlines() == ["READY=1", "STATUS=listening on http://127.0.0.1:8080"]
    assert stopping.splitlines()[0] == "STOPPING=1"


@pytest.mark.skipif(sys.platform != "linux", reason="abstract sockets are Linux's")
def test_an_abstract_socket_is_meant_by_an_at_sign() -> None:
    manager = Manager(f"@shadowdog-test-{os.getpid()}")
    ServiceManager.from_environment(manager.environment()).ready("here")
    assert manager.heard() == ["READY=1\nSTATUS=here"]
    manager.socket.close()


def test_signs_of_life_come_often_enough(systemd: Manager, dead_man: DeadMan) -> None:
    told = ServiceManager.from_environment(systemd.environment(WATCHDOG_USEC="10000000"))
    clock = FakeClock()
    began = clock.now
    beats(5, told, dead_man, clock)
    assert systemd.heard() == ["WATCHDOG=1"] * 5
    assert clock.now - began == pytest.approx(4 * 10.0 / BEATS_A_WINDOW)


def test_none_is_sent_while_the_heartbeat_is_silent(systemd: Manager, dead_man: DeadMan) -> None:
    told = ServiceManager.from_environment(systemd.environment(WATCHDOG_USEC="10000000"))
    told.ready("listening")
    systemd.heard()
    # Armed, and nobody beats: its own ticks are driven here, whatever its thread adds to them.
    dead_man.arm()
    for _ in range(SILENT_TICKS):
        dead_man.tick()
    beats(3, told, dead_man, FakeClock())
    heard = systemd.heard()
    assert len(heard) == 1
    assert heard[0].startswith("STATUS=no sign of life: an action has the dog")
    dead_man.disarm()
    beats(1, told, dead_man, FakeClock())
    assert systemd.heard() == ["WATCHDOG=1", "STATUS=listening"]


def test_none_is_sent_without_the_dead_mans_thread(systemd: Manager) -> None:
    told = ServiceManager.from_environment(systemd.environment(WATCHDOG_USEC="10000000"))
    beats(2, told, DeadMan(lambda: None), FakeClock())
    assert [each.split(":")[0] for each in systemd.heard()] == ["STATUS=no sign of life"]


def test_unwatched_it_ends_at_once(systemd: Manager, dead_man: DeadMan) -> None:
    for more in ({}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_PID": "1"}):
        if "WATCHDOG_PID" in more:  # meant for another process
            more = {**more, "WATCHDOG_USEC": "10000000"}
        told = ServiceManager.from_environment(systemd.environment(**more))
        asyncio.run(told.keep_alive(lambda: dead_man.trouble))
    assert systemd.heard() == []


def test_without_systemd_nothing_happens(dead_man: DeadMan) -> None:
    told = ServiceManager.from_environment({"WATCHDOG_USEC": "10000000"})
    told.ready("listening")
    told.stopping()
    asyncio.run(told.keep_alive(lambda: dead_man.trouble))


def test_a_manager_that_is_gone_or_does_not_read_costs_nothing(
    systemd: Manager, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ServiceManager(str(tmp_path / "nobody")).ready("listening")
    assert "cannot be told READY=1" in caplog.text
    told = ServiceManager(systemd.address)
    for _ in range(1000):  # more than the kernel queues: it must neither block nor raise
        told.ready("listening")
    assert 0 < len(systemd.heard()) < 1000
