"""A line to the dog's sport service: the SDK's SportClient on a single thread of its own.

The SDK's calls block for as long as the robot does not answer, and several threads on one client
lose calls, so each client has one thread and nothing of it runs on the event loop.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

Parameter = Mapping[str, float | bool]

RAW_CALLS: Mapping[str, int] = {"Wallow": 1021, "WiggleHips": 1033}
"""Calls of older firmware, which the SDK's client knows no more."""


class Line(Protocol):
    """A way to the sport service on which one call waits for the other; codes are the SDK's."""

    @property
    def opened(self) -> bool:
        """Whether calls can be made."""

    async def open(self) -> None:
        """Make the line ready; does nothing where it is."""

    async def ask_version(self) -> int:
        """Ask the service for its version, which moves nothing; return the answer's code."""

    async def send(self, name: str, parameter: Parameter) -> int:
        """Make one call, in the order of asking, and return its code."""

    def submit(self, name: str) -> "Future[int]":
        """Make one call without parameters, from any thread; RuntimeError after `close`."""

    def close(self) -> None:
        """Let go of the line; a call under way ends by its own time-out."""


class SdkLine:
    """A line over the unmodified SDK; the process has joined its DDS domain before `open`."""

    def __init__(self, name: str, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._client: Any = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)

    @property
    def opened(self) -> bool:
        return self._client is not None

    async def open(self) -> None:
        """Make the client; about a second, which the SDK sleeps."""
        if self._client is None:
            loop = asyncio.get_running_loop()
            self._client = await loop.run_in_executor(self._thread, _make_client, self._timeout_s)

    async def ask_version(self) -> int:
        loop = asyncio.get_running_loop()
        code, _ = await loop.run_in_executor(self._thread, self._client.GetServerApiVersion)
        return int(code)

    async def send(self, name: str, parameter: Parameter) -> int:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._call, name, parameter)

    def submit(self, name: str) -> "Future[int]":
        return self._thread.submit(self._call, name, {})

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _call(self, name: str, parameter: Parameter) -> int:
        raw_id = RAW_CALLS.get(name)
        if raw_id is not None:
            code: int = self._client._Call(raw_id, json.dumps(parameter))[0]
            return code
        method: Callable[..., int] = getattr(self._client, name)
        return method(*parameter.values())


def _make_client(timeout_s: float) -> Any:
    from unitree_sdk2py.go2.sport.sport_client import SportClient

    client = SportClient()
    client.SetTimeout(timeout_s)
    client.Init()
    for raw_id in RAW_CALLS.values():
        client._RegistApi(raw_id, 0)
    return client
