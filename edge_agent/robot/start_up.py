"""What keeps a driver from starting, in words that say what to do; nothing here talks to a robot."""

from collections.abc import Sequence

from edge_agent.robot.network_interfaces import ROBOT_NETWORK, NetworkInterface
from shared.errors import ConfigurationError


def check_interface(wanted: str, interfaces: Sequence[NetworkInterface]) -> None:
    """Raise ConfigurationError where this machine has no such interface, or it is down."""
    found = next((each for each in interfaces if each.name == wanted), None)
    if found is None:
        raise ConfigurationError(
            f"there is no network interface {wanted!r}; this machine has {_list(interfaces)}; "
            f"name the one to the dog, `lo` for the mock robot"
        )
    if not found.up:
        raise ConfigurationError(
            f"the network interface {wanted} is down; plug the cable in, or `ip link set {wanted} "
            f"up`; this machine has {_list(interfaces)}"
        )


def advise_unheard(
    domain: int, wanted: str, interfaces: Sequence[NetworkInterface], sport_heard: bool
) -> str:
    """Return what to do where no dog, or only half of one, is heard in the time given."""
    if sport_heard:
        return (
            f"the dog in DDS domain {domain} on {wanted} tells its sport state but no battery "
            "(rt/lowstate); wait until it has booted, or restart it"
        )
    found = next((each for each in interfaces if each.name == wanted), None)
    hint = ""
    if wanted != "lo" and (found is None or not (found.address or "").startswith(ROBOT_NETWORK)):
        hint = f" by cable it is in {ROBOT_NETWORK}0/24, where {wanted} has no address;"
    return (
        f"heard nothing from a robot in DDS domain {domain} on {wanted}; check that the dog is on "
        f"and stands, that {wanted} is the interface to it, and the domain (0 for a real dog);"
        f"{hint} this machine has {_list(interfaces)}; {advise_mock(domain)}"
    )


def advise_mock(domain: int) -> str:
    """Return how to do without a dog: by itself the mock is in another domain, out of a dog's way."""
    return f"without a dog run `edge-agent mock-robot --domain {domain}`, and set EDGE_ROBOT_INTERFACE=lo"


def advise_service(domain: int, silent_state: bool) -> str:
    """Return what to do where the dog is heard and its sport service is not there."""
    told = "its state is all zero" if silent_state else "the service does not answer (3102)"
    return (
        f"the dog in DDS domain {domain} is heard but its sport service is off: {told}; switch it "
        "on in the dog's app (services: sport_mode) or choose a motion mode there, or restart the "
        "dog; older firmware may need an update"
    )


def _list(interfaces: Sequence[NetworkInterface]) -> str:
    return ", ".join(str(each) for each in interfaces) or "none"
