"""Server-sent events, however their bytes are cut."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.event_stream import EventParser, ServerSentEvent
from shared.errors import CloudProtocolError

STREAM = (
    ': a remark\n\nevent: token\ndata: {"text":"狗"}\n\n'
    "id: 1\r\nevent: done\r\ndata: a\r\ndata:b\r\n\r\ndata: unnamed\n\nevent: empty\n\n"
    "event: cut\ndata: off\n"
).encode()
EVENTS = [
    ServerSentEvent("token", '{"text":"狗"}'),
    ServerSentEvent("done", "a\nb"),
    ServerSentEvent("message", "unnamed"),
]


@settings(deadline=None, derandomize=True)
@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_events_come_out_the_same_however_the_bytes_are_cut(cuts):
    parser = EventParser(max_bytes=1000)
    bounds = [0, *sorted(cuts), len(STREAM)]
    chunks = [STREAM[a:b] for a, b in itertools.pairwise(bounds)]
    assert [event for chunk in chunks for event in parser.feed(chunk)] == EVENTS


def test_too_much_is_refused_even_without_a_line_end():
    parser = EventParser(max_bytes=10)
    parser.feed(b"x" * 10)
    with pytest.raises(CloudProtocolError, match="more than 10 bytes"):
        parser.feed(b"x")


def test_anything_but_utf_8_is_refused():
    with pytest.raises(CloudProtocolError, match="UTF-8"):
        EventParser(max_bytes=100).feed(b"data: \xff\n")
