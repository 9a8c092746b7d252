"""A small HTTP/1.1 proxy between edge and cloud that breaks what passes through it, one fault at a time.

Tests run it on their own loop; the soak runs it as a process:
`python tests/faults/fault_proxy.py PORT UPSTREAM_PORT`, then one fault's name a line on its input.
"""

import asyncio
import contextlib
import json
import re
import socket
import ssl
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
CUT_AT_BYTES = 60
LATE_S = 21.0
OVERSIZE_BYTES = 512 * 1024


@dataclass
class Exchange:
    """One request and its connection; `ordinal` counts the requests since the fault was set."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    connect: Connect
    ordinal: int
    request: bytes = b""
    upstream: asyncio.StreamReader = field(init=False)
    upstream_writer: asyncio.StreamWriter | None = None

    async def read_request(self) -> None:
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        self.request = head + await self.reader.readexactly(int(length[1]) if length else 0)

    async def ask_upstream(self) -> bytes:
        """Pass the request on and return the answer's head, without its connection headers."""
        self.upstream, writer = await self.connect()
        self.upstream_writer = writer
        writer.write(self.request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        await writer.drain()
        head = await self.upstream.readuntil(b"\r\n\r\n")
        self._is_chunked = b"transfer-encoding: chunked" in head.lower()
        kept = re.sub(rb"(?i)\r\n(connection|content-length|transfer-encoding): [^\r]*", b"", head)
        return kept.replace(
            b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        )

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the pieces of the cloud's answer as they come."""
        while not self._is_chunked:
            if not (piece := await self.upstream.read(65_536)):
                return
            yield piece
        while size := int(await self.upstream.readline(), 16):
            yield await self.upstream.readexactly(size)
            await self.upstream.readline()

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def send_piece(self, piece: bytes) -> None:
        if piece:
            await self.send(b"%x\r\n%b\r\n" % (len(piece), piece))

    async def respond(self, status: str, headers: str = "", body: str = "") -> None:
        """Answer in the cloud's place."""
        await self.read_request()
        await self.send(
            f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
            f"{headers}\r\n{body}".encode()
        )

    async def pass_on(
        self, change: Callable[[bytes], bytes] = lambda piece: piece, head: bytes = b""
    ) -> None:
        """Pass request and answer on, each piece of the answer changed."""
        await self.read_request()
        answer = await self.ask_upstream()
        await self.send(head or answer)
        async for piece in self.body():
            await self.send_piece(change(piece))
        await self.send(b"0\r\n\r\n")

    async def pass_beginning(self) -> None:
        """Pass the answer on up to its first bytes."""
        await self.read_request()
        await self.send(await self.ask_upstream())
        async for piece in self.body():
            await self.send_piece(piece[:CUT_AT_BYTES])
            return

    def reset(self) -> None:
        """Break the connection off; over TCP with an RST."""
        raw = self.writer.get_extra_info("socket")
        if raw is not None and raw.family != socket.AF_UNIX:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Break = Callable[[Exchange], Awaitable[None]]


async def hang(exchange: Exchange) -> None:
    await exchange.reader.read(-1)  # until the edge gives up


async def close(exchange: Exchange) -> None:
    await exchange.read_request()


async def reset(exchange: Exchange) -> None:
    await exchange.reader.readexactly(1)
    exchange.reset()


async def reset_once(exchange: Exchange) -> None:
    await (reset(exchange) if exchange.ordinal == 1 else exchange.pass_on())


async def speak_no_http(exchange: Exchange) -> None:
    await exchange.read_request()
    await exchange.send(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")


async def redirect(exchange: Exchange) -> None:
    await exchange.respond("307 Temporary Redirect", "Location: http://elsewhere.example/\r\n")


async def refuse_the_key(exchange: Exchange) -> None:
    body = json.dumps({"code": "unauthorized", "message": "send a key", "request_id": "x"})
    await exchange.respond("401 Unauthorized", "Content-Type: application/json\r\n", body)


async def ask_for_patience(exchange: Exchange) -> None:
    await exchange.respond("429 Too Many Requests", "Retry-After: 1\r\n")


async def be_busy_once(exchange: Exchange) -> None:
    if exchange.ordinal == 1:
        await exchange.respond("503 Service Unavailable", "Retry-After: 1\r\n")
    else:
        await exchange.pass_on()


async def fail(exchange: Exchange) -> None:
    await exchange.respond("500 Internal Server Error", body="Traceback (most recent call last)")


async def answer_with_a_page(exchange: Exchange) -> None:
    page = "<html>Please log in to the hotel's network</html>"
    await exchange.respond("200 OK", "Content-Type: text/html\r\n", page)


async def compress(exchange: Exchange) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n"
    await exchange.pass_on(head=head + b"Transfer-Encoding: chunked\r\n\r\n")


async def cut(exchange: Exchange) -> None:
    await exchange.pass_beginning()


async def break_off(exchange: Exchange) -> None:
    await exchange.pass_beginning()
    exchange.reset()


async def stall(exchange: Exchange) -> None:
    await exchange.pass_beginning()
    await hang(exchange)


async def truncate(exchange: Exchange) -> None:
    await exchange.pass_beginning()
    await exchange.send(b"0\r\n\r\n")


async def garble(exchange: Exchange) -> None:
    await exchange.pass_on(lambda piece: piece.replace(b'"', b"\x00"))


async def answer_another(exchange: Exchange) -> None:
    await exchange.pass_on(
        lambda piece: re.sub(rb'"request_id": ?"[^"]*"', b'"request_id":"another"', piece)
    )


async def flood(exchange: Exchange) -> None:
    await exchange.read_request()
    await exchange.send(await exchange.ask_upstream())
    for _ in range(OVERSIZE_BYTES // 8192):
        await exchange.send_piece(b": x\n" * 2048)


async def drip(exchange: Exchange) -> None:
    await exchange.read_request()
    await exchange.send(await exchange.ask_upstream())
    async for piece in exchange.body():
        for byte in piece:
            await exchange.send_piece(bytes([byte]))
            await asyncio.sleep(0.1)


async def be_slow(exchange: Exchange) -> None:
    await exchange.read_request()
    await asyncio.sleep(1.0)
    await exchange.send(await exchange.ask_upstream())
    async for piece in exchange.body():
        await asyncio.sleep(1.0)
        await exchange.send_piece(piece)
    await exchange.send(b"0\r\n\r\n")


async def be_late(exchange: Exchange) -> None:
    await exchange.read_request()
    await asyncio.sleep(LATE_S)
    await exchange.send(await exchange.ask_upstream())
    async for piece in exchange.body():
        await exchange.send_piece(piece)


def name_skills(*names: str) -> Break:
    skills = json.dumps(list(names)).encode()

    async def break_(exchange: Exchange) -> None:
        await exchange.pass_on(
            lambda piece: re.sub(rb'"skills": ?\[[^]]*\]', b'"skills":' + skills, piece)
        )

    return break_


async def tell_a_wrong_time(exchange: Exchange) -> None:
    head = b"HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nExpires: 0\r\n"
    head += b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    await exchange.pass_on(head=head)


async def pass_unchanged(exchange: Exchange) -> None:
    await exchange.pass_on()


BREAKS: dict[str, Break] = {
    "none": pass_unchanged,
    "slow": be_slow,
    "wrong_time": tell_a_wrong_time,
    "busy_once": be_busy_once,
    "reset_once": reset_once,
    "silent": hang,
    "late": be_late,
    "drip": drip,
    "stalled": stall,
    "closed": close,
    "reset": reset,
    "no_http": speak_no_http,
    "redirect": redirect,
    "wrong_key": refuse_the_key,
    "overloaded": ask_for_patience,
    "failing": fail,
    "login_page": answer_with_a_page,
    "compressed": compress,
    "cut": cut,
    "broken_off": break_off,
    "truncated": truncate,
    "garbled": garble,
    "another_id": answer_another,
    "oversize": flood,
    "unknown_skill": name_skills("Fly"),
    "hostile": name_skills("FrontFlip"),
    "many_skills": name_skills(*["Sit"] * 9),
}
"""What each fault does with an exchange. `refused` is a proxy that does not listen."""


class FaultProxy:
    """Breaks each exchange as `fault` says at its begin; lives on one event loop."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._fault = "none"
        self.exchanges = 0
        """Since the fault was set."""

    @property
    def fault(self) -> str:
        return self._fault

    @fault.setter
    def fault(self, name: str) -> None:
        assert name in BREAKS, name
        self._fault, self.exchanges = name, 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, for asyncio's `start_server`; either side may go away at any time."""
        self.exchanges += 1
        exchange = Exchange(reader, writer, self._connect, self.exchanges)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                await BREAKS[self._fault](exchange)
        finally:
            writer.close()
            if exchange.upstream_writer is not None:
                exchange.upstream_writer.close()


async def main(port: int, upstream_port: int) -> None:
    proxy = FaultProxy(lambda: asyncio.open_connection("127.0.0.1", upstream_port))
    server = await asyncio.start_server(proxy.handle, "127.0.0.1", port)
    async with server:
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            proxy.fault = line.strip()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
