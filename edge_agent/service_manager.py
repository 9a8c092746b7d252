"""What a service manager is told: ready, alive, stopping (systemd's sd_notify, over its datagram socket)."""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping

from typing_extensions import Self

BEATS_A_WINDOW = 4
"""Signs of life in one watchdog window: one or two may be lost without a restart."""

logger = logging.getLogger(__name__)


class ServiceManager:
    """Tells systemd what becomes of this process; without systemd every call does nothing.

    `address` is NOTIFY_SOCKET's value, `watchdog_s` the time without a sign of life after which
    systemd kills and restarts the process, None where it does not watch. Source: sd_notify(3),
    sd_watchdog_enabled(3).
    """

    def __init__(self, address: str | None = None, watchdog_s: float | None = None) -> None:
        self._address = address
        self._watchdog_s = watchdog_s
        self._status = self._ready_status = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Return the manager that started this process, if one did and wants to be told."""
        given = os.environ if environment is None else environment
        meant_for = given.get("WATCHDOG_PID", str(os.getpid()))
        microseconds = given.get("WATCHDOG_USEC", "")
        watched = microseconds.isdecimal() and int(microseconds) > 0
        return cls(
            given.get("NOTIFY_SOCKET") or None,
            int(microseconds) / 1e6 if watched and meant_for == str(os.getpid()) else None,
        )

    def ready(self, status: str) -> None:
        """The dog can be spoken to."""
        self._tell("READY=1", f"STATUS={status}")
        self._status = self._ready_status = status

    def stopping(self) -> None:
        """The process ends in order; no sign of life is expected any more."""
        self._tell("STOPPING=1", "STATUS=stopping the dog")

    async def keep_alive(
        self,
        trouble: Callable[[], str | None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Send a sign of life again and again, from the loop that serves, until cancelled.

        `trouble` says what keeps the dog from being served safely, None where nothing does; while
        there is any, no sign is sent, so that the manager restarts the process if it lasts.
        """
        if self._address is None or self._watchdog_s is None:
            return
        while True:
            found = trouble()
            if found is None:
                self._tell("WATCHDOG=1")
            self._note(self._ready_status if found is None else f"no sign of life: {found}")
            await sleep(self._watchdog_s / BEATS_A_WINDOW)

    def _note(self, status: str) -> None:
        if status != self._status:
            self._status = status
            self._tell(f"STATUS={status}")
            logger.warning("%s", status)

    def _tell(self, *lines: str) -> None:
        if self._address is None:
            return
        address = self._address
        if address.startswith("@"):  # Linux's abstract namespace
            address = "\0" + address[1:]
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
                # A manager whose queue is full must not hold the dog's loop up.
                to.setblocking(False)
                to.sendto("\n".join(lines).encode(), address)
        except OSError as error:
            logger.warning("the service manager cannot be told %s (%s)", lines[0], error)
