"""Server-sent events out of a stream of bytes, bounded and strict."""

from typing import NamedTuple

from shared.errors import CloudProtocolError


class ServerSentEvent(NamedTuple):
    """One event: its name ("message" where none was sent) and its data."""

    name: str
    data: str


class EventParser:
    """Reads events as their bytes come in; comments and unknown fields are skipped.

    An event that the stream's end cuts off never comes out, as the HTML standard says.
    """

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._received_bytes = 0
        self._unfinished = b""
        self._name = ""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Return the events that `chunk` completes.

        CloudProtocolError for more than `max_bytes` in all and for anything but UTF-8.
        """
        self._received_bytes += len(chunk)
        if self._received_bytes > self._max_bytes:
            raise CloudProtocolError(
                f"the cloud sent more than {self._max_bytes} bytes for one answer"
            )
        *lines, self._unfinished = (self._unfinished + chunk).split(b"\n")
        events = [self._take(line) for line in lines]
        return [event for event in events if event is not None]

    def _take(self, line: bytes) -> ServerSentEvent | None:
        try:
            text = line.removesuffix(b"\r").decode()
        except UnicodeDecodeError:
            raise CloudProtocolError("the cloud's answer is not UTF-8") from None
        field, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "data":
            self._data.append(value)
        return self._dispatch() if not text else None

    def _dispatch(self) -> ServerSentEvent | None:
        event = ServerSentEvent(self._name or "message", "\n".join(self._data))
        self._name, had_data, self._data = "", bool(self._data), []
        return event if had_data else None
