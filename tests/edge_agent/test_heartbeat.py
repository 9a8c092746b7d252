"""The dead-man: halts after so many silent ticks of its own, and from its own thread for real."""

import asyncio
import threading

from edge_agent.heartbeat import SILENT_TICKS, DeadMan

ENOUGH_S = 30  # only ends a test that hangs


def make() -> tuple[DeadMan, list[int]]:
    halts: list[int] = []
    return DeadMan(lambda: halts.append(1)), halts


def tick(dead_man: DeadMan, times: int) -> None:
    for _ in range(times):
        dead_man.tick()


def test_it_halts_after_silence_and_again_while_it_lasts() -> None:
    dead_man, halts = make()
    dead_man.arm()
    tick(dead_man, SILENT_TICKS - 1)
    assert not halts
    assert not dead_man.tripped
    tick(dead_man, 1)
    assert len(halts) == 1
    assert dead_man.tripped
    tick(dead_man, 2 * SILENT_TICKS)
    assert len(halts) == 3


def test_a_beat_in_time_keeps_it_quiet() -> None:
    dead_man, halts = make()
    dead_man.arm()
    for _ in range(5):
        tick(dead_man, SILENT_TICKS - 1)
        dead_man.beat()
    assert not halts


def test_unarmed_it_expects_nothing_and_arming_begins_anew() -> None:
    dead_man, halts = make()
    tick(dead_man, 3 * SILENT_TICKS)
    dead_man.arm()
    tick(dead_man, SILENT_TICKS)
    dead_man.disarm()
    tick(dead_man, 3 * SILENT_TICKS)
    assert len(halts) == 1
    assert dead_man.tripped  # until it is armed again
    dead_man.arm()
    assert not dead_man.tripped


def test_its_thread_halts_a_dog_whose_loop_hangs() -> None:
    halted = threading.Event()
    dead_man = DeadMan(halted.set)

    async def hang() -> bool:
        dead_man.arm()
        return halted.wait(ENOUGH_S)  # on the loop itself, which can do nothing else meanwhile

    dead_man.start()
    thread = dead_man._thread
    assert thread is not None
    try:
        assert asyncio.run(hang())
    finally:
        dead_man.close()
    thread.join(ENOUGH_S)
    assert not thread.is_alive()


def test_its_thread_survives_a_halt_that_fails() -> None:
    twice = threading.Event()
    calls: list[int] = []

    def fail() -> None:
        calls.append(1)
        if len(calls) == 2:
            twice.set()
        raise OSError("no dog")

    dead_man = DeadMan(fail, silent_ticks=1)
    dead_man.start()
    dead_man.arm()
    try:
        assert twice.wait(ENOUGH_S)
    finally:
        dead_man.close()
