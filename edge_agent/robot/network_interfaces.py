"""This machine's network interfaces, for messages that tell a person which one leads to the dog."""

import fcntl
import socket
import struct
from dataclasses import dataclass

ROBOT_NETWORK = "192.168.123."
"""A Go2's own network by cable, after its maker's guides."""
_GET_FLAGS, _GET_ADDRESS = 0x8913, 0x8915  # SIOCGIFFLAGS, SIOCGIFADDR
_FLAG_UP = 0x1


@dataclass(frozen=True)
class NetworkInterface:
    """An interface of this machine; `address` is its IPv4 address, None without one."""

    name: str
    up: bool
    address: str | None

    def __str__(self) -> str:
        return f"{self.name} ({self.address or 'no address'}{'' if self.up else ', down'})"


def list_interfaces() -> list[NetworkInterface]:
    """Return this machine's interfaces (Linux)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        return [_look_at(probe, name) for _, name in socket.if_nameindex()]


def _look_at(probe: socket.socket, name: str) -> NetworkInterface:
    flags = _ask(probe, _GET_FLAGS, name)
    address = _ask(probe, _GET_ADDRESS, name)
    return NetworkInterface(
        name,
        flags is not None and bool(struct.unpack_from("H", flags, 16)[0] & _FLAG_UP),
        None if address is None else socket.inet_ntoa(address[20:24]),
    )


def _ask(probe: socket.socket, request: int, name: str) -> bytes | None:
    try:
        return fcntl.ioctl(probe, request, struct.pack("256s", name.encode()[:15]))
    except OSError:
        return None
