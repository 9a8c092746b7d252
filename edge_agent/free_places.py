"""Ports and a DDS domain that nobody on this machine uses."""

import errno
import random
import socket

from shared.errors import ConfigurationError

DOMAINS = range(20, 100)
"""Never 0, a real dog's; above 100 the domain's ports run into those that the system hands out."""


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Return whether a server could listen on the TCP port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return _binds(probe, host, port)


def choose_port(preferred: int, taken: set[int], host: str = "127.0.0.1") -> int:
    """Return the preferred port where it is free, else one the system hands out; adds it to `taken`."""
    port = preferred
    while port == 0 or port in taken or not port_is_free(port, host):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((host, 0))
            port = probe.getsockname()[1]
    taken.add(port)
    return port


def choose_domain() -> int:
    """Return a DDS domain without any participant; ConfigurationError where all are taken."""
    for domain in random.sample(DOMAINS, len(DOMAINS)):  # two simulations rarely try the same
        if domain_is_free(domain):
            return domain
    raise ConfigurationError("every DDS domain that a simulation may use is taken; name one")


def domain_is_free(domain: int) -> bool:
    """Return whether no participant of this machine holds the domain's first UDP ports.

    By the DDSI rules a domain's discovery listens on 7400 + 250 × domain by multicast, and its
    first participant on that plus 10.
    """
    base = 7400 + 250 * domain
    for port in (base, base + 10):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            if not _binds(probe, "", port):
                return False
    return True


def _binds(probe: socket.socket, host: str, port: int) -> bool:
    try:
        probe.bind((host, port))
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            return False
        raise
    return True
