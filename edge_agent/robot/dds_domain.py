"""Joining a DDS domain through the SDK: an explicit interface, once a process, with a fit version."""

import re
import threading
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from shared.errors import ConfigurationError

LOOPBACK = "lo"
MAX_DOMAIN = 230
_INTERFACE_NAME = re.compile(r"[A-Za-z0-9_.:@-]{1,15}")
_CONFIGURATION = """<?xml version="1.0" encoding="UTF-8" ?>
<CycloneDDS>
  <Domain Id="any">
    <General>
      <Interfaces>
        <NetworkInterface name="{interface}" priority="default" multicast="default"/>
      </Interfaces>
    </General>
  </Domain>
</CycloneDDS>"""

_lock = threading.Lock()
_joined: tuple[int, str] | None = None


def join_domain(domain: int, interface: str) -> None:
    """Initialise the SDK's one DDS domain of this process on one network interface; blocks.

    Joining the same domain again does nothing. ConfigurationError for another domain or interface
    in the same process (the SDK would silently stay in the first), a wrong name, or where Cyclone
    DDS cannot use the interface.
    """
    global _joined
    check_place(domain, interface)
    with _lock:
        if _joined == (domain, interface):
            return
        if _joined is not None:
            raise ConfigurationError(
                f"this process is in DDS domain {_joined[0]} on {_joined[1]} and cannot also join "
                f"{domain} on {interface}; start another process"
            )
        channel = _import_channel()
        # The SDK ignores CYCLONEDDS_URI, and its own text would trace into a file in /tmp.
        text = _CONFIGURATION.format(interface=interface)
        channel.ChannelConfigHasInterface = text
        channel.ChannelConfigAutoDetermine = text
        if not channel.ChannelFactory().Init(domain, interface):
            raise ConfigurationError(
                f"Cyclone DDS cannot use domain {domain} on interface {interface!r}; "
                "list the interfaces with `ip -brief address` and name the one to the robot"
            )
        _fill_types()
        _joined = (domain, interface)


def _fill_types() -> None:
    """Have the message types of all services described once, before threads make topics of them.

    cyclonedds describes a type at its first topic, in two steps without a lock: on a busy machine a
    second thread finds it half described and gets DDS_RETCODE_ERROR (seen in 11 of 60 starts).
    """
    from unitree_sdk2py.idl.unitree_api.msg.dds_ import Request_, Response_

    for each in (Request_, Response_):
        each.__idl__.populate()
        each.__idl__.fill_type_data()


def check_place(domain: int, interface: str) -> None:
    """Raise ConfigurationError for a domain outside 0–230 or what cannot be an interface's name."""
    if not 0 <= domain <= MAX_DOMAIN:
        raise ConfigurationError(f"DDS domain {domain} is outside 0–{MAX_DOMAIN}")
    if not _INTERFACE_NAME.fullmatch(interface):
        raise ConfigurationError(f"{interface!r} is no network interface's name, such as eth0")


def check_version_for_real_robot() -> None:
    """Raise ConfigurationError unless cyclonedds is 0.10.x, which is what a real Go2 speaks.

    A newer peer never exchanges data with it and makes 0.10.x Python peers crash.
    """
    try:
        found = version("cyclonedds")
    except PackageNotFoundError:
        found = "none"
    if not found.startswith("0.10."):
        raise ConfigurationError(
            f"a real Go2 speaks Cyclone DDS 0.10, this environment has cyclonedds {found}; "
            "install it with `pip install cyclonedds==0.10.2` (Python 3.10 on x86_64), or by "
            "requirements/install_cyclonedds_0_10.sh with Debian 12's build (other Pythons, "
            "aarch64), or name the interface `lo` for the simulation"
        )


def _import_channel() -> Any:
    try:
        from unitree_sdk2py.core import channel
    except ImportError as error:
        raise ConfigurationError(
            f"the robot's SDK cannot be imported ({error}); run `make setup`"
        ) from error
    return channel
