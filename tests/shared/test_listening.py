"""A service's socket: taken at once, and a clear error where the place is not to be had."""

import errno
import os
import socket

import pytest

from shared.errors import ConfigurationError
from shared.listening import listen, printed_host


@pytest.mark.parametrize(
    ("host", "family"), [("127.0.0.1", socket.AF_INET), ("[::1]", socket.AF_INET6)]
)
def test_a_caller_may_come_before_anyone_accepts(host: str, family: int) -> None:
    with listen(host, 0, "choose another one") as listener:
        assert listener.family == family
        socket.create_connection(listener.getsockname()[:2], timeout=2).close()


def test_a_taken_port_names_what_to_do() -> None:
    with listen("127.0.0.1", 0, "") as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ConfigurationError) as refused:
            listen("127.0.0.1", port, "set THE_PORT")
        assert refused.value.message == (
            f"cannot listen on 127.0.0.1:{port} ({os.strerror(errno.EADDRINUSE)}); end what uses it "
            "or set THE_PORT"
        )


def test_a_host_that_is_none_names_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match=r"cannot listen on nowhere\.invalid:0") as refused:
        listen("nowhere.invalid", 0, "choose another one")
    assert "Unknown error" not in refused.value.message


@pytest.mark.parametrize(
    ("host", "printed"), [("::1", "[::1]"), ("[::1]", "[::1]"), ("127.0.0.1", "127.0.0.1")]
)
def test_an_address_stands_in_a_url(host: str, printed: str) -> None:
    assert printed_host(host) == printed
