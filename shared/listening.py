"""The socket that a service listens on: made before anything slow, so that a taken port is said at once."""

import os
import socket

from shared.errors import ConfigurationError


def listen(host: str, port: int, remedy: str, backlog: int = 2048) -> socket.socket:
    """Return a listening TCP socket; port 0 takes a free one.

    host: an address or a name, an IPv6 address with or without brackets. ConfigurationError where the
    place cannot be used; it names `remedy`.
    """
    address = host.strip("[]")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family, backlog=backlog)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host}:{port} ({_why(error)}); end what uses it or {remedy}"
        ) from error


def _why(error: OSError) -> str:
    """Return the system's words: `create_server` adds the place to them, which stands there already."""
    if error.errno is None or error.errno < 0:  # a name that is none: getaddrinfo's own numbers
        return error.strerror or str(error)
    return os.strerror(error.errno)


def printed_host(host: str) -> str:
    """Return the host as it stands in a URL: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
