"""A whole edge in virtual time between a mock dog and a cloud behind the fault proxy.

Real are the agent, its gate, the driver, the mock dog, the client with its HTTP and TLS, and the bytes on
the (Unix) sockets; the recogniser knows a few words, and the cloud speaks the contract from a script.
"""

import asyncio
import json
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from edge_agent.agent import Agent, AgentOptions
from edge_agent.cloud_client import CloudClient
from edge_agent.consulting import CloudWay
from edge_agent.gate import Gate, GatePolicy
from edge_agent.outbox import Outbox
from edge_agent.routing import CircuitBreaker, Patience
from tests.edge_agent.robot.virtual_dog import VirtualDog
from tests.edge_agent.safety_world import Recognizer
from tests.faults.fault_proxy import FaultProxy
from tests.faults.socket_loop import SocketLoop

PIECE_S = 0.2
DEADLINE_S = 20.0


class ScriptedCloud:
    """`POST /v1/intents` as CONTRACT.md says: streams `say` word by word, then `done` with `skills`."""

    def __init__(self) -> None:
        self.say = "So be it."
        self.skills: Sequence[str] = ()
        self.asked: list[dict[str, Any]] = []
        self.deadlines_ms: list[int] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            headers = dict(line.split(": ", 1) for line in head.splitlines()[1:] if line)
            body = json.loads(await reader.readexactly(int(headers["content-length"])))
            self.asked.append(body)
            self.deadlines_ms.append(int(headers["shadowdog-deadline-ms"]))
            await self._answer(writer, body["request_id"])
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, request_id: str) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        words = self.say.split(" ")
        for number, word in enumerate(words):
            await asyncio.sleep(PIECE_S)
            _send(writer, "token", {"text": word if number == 0 else f" {word}"})
            await writer.drain()
        done = {
            "request_id": request_id,
            "model": "scripted",
            "say": self.say,
            "skills": list(self.skills),
            "finish_reason": "stop",
            "usage": {"prompt_tokens": 9, "completion_tokens": len(words)},
            "timings_ms": {"queue": 0.0, "first_token": 200.0, "total": 600.0},
        }
        _send(writer, "done", done)
        writer.write(b"0\r\n\r\n")
        await writer.drain()


def _send(writer: asyncio.StreamWriter, name: str, data: object) -> None:
    event = f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()
    writer.write(b"%x\r\n%b\r\n" % (len(event), event))


class Edge:
    """One edge with everything around it; `folder` holds its sockets and its outbox.

    tls: what the proxy serves with and what the edge trusts, None for plain HTTP; `listening` False
    is a cloud that is not there.
    """

    def __init__(
        self,
        folder: Path,
        *,
        listening: bool = True,
        tls: tuple[ssl.SSLContext | None, ssl.SSLContext] | None = None,
        policy: GatePolicy | None = None,
    ) -> None:
        self.loop = SocketLoop()
        self.clock = self.loop.time
        self.dog = VirtualDog("standing", self.loop)
        self.cloud = ScriptedCloud()
        behind, before = str(folder / "cloud.sock"), str(folder / "proxy.sock")
        self.proxy = FaultProxy(lambda: asyncio.open_unix_connection(behind))
        serves, trusts = tls or (None, None)
        self.servers = [self.do(asyncio.start_unix_server(self.cloud.handle, behind))]
        if listening:
            start = asyncio.start_unix_server(self.proxy.handle, before, ssl=serves)
            self.servers.append(self.do(start))
        scheme = "http" if tls is None else "https"
        self.client = CloudClient(
            f"{scheme}://cloud.example",
            patience=Patience(chance=lambda: 0.5),
            transport=httpx.AsyncHTTPTransport(uds=before, verify=trusts or False),
        )
        self.breaker = CircuitBreaker(clock=self.clock)
        self.agent = Agent(
            self.dog.robot,
            Gate(policy or GatePolicy(allow_dangerous=True, confirm_dangerous=False), self.clock),
            Recognizer(),
            CloudWay(self.client, self.breaker),
            AgentOptions(deadline_s=DEADLINE_S),
            outbox=Outbox(folder / "outbox.sqlite3"),
            clock=self.clock,
        )
        self.do(self.agent.records.open())
        self.dog.rest(0.1)

    def do(self, work: Any) -> Any:
        return self.loop.do(work)

    def say(self, text: str) -> Any:
        """Say something and return its outcome, in as much virtual time as it takes."""
        return self.do(self.agent.handle(text))

    def close(self) -> None:
        """End everything; nothing may be left that never ends."""
        self.do(self.agent.close())
        for server in self.servers:
            server.close()
        self.loop.set_exception_handler(
            lambda *_: None
        )  # asyncio asks cancelled servers how they ended
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.settle()
        self.loop.close()
