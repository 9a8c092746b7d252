"""The network interface to the robot: is it there, is it up, has it an address."""

from collections.abc import Sequence

from edge_agent.doctor.finding import Finding, failed, ok
from edge_agent.robot.network_interfaces import ROBOT_NETWORK, NetworkInterface


def check_interface(wanted: str, interfaces: Sequence[NetworkInterface]) -> Finding:
    """Say whether the interface that the settings name can reach a robot."""
    listed = ", ".join(str(each) for each in interfaces)
    found = next((each for each in interfaces if each.name == wanted), None)
    if found is None:
        return failed(
            "interface",
            f"there is no interface {wanted}; this machine has {listed}",
            "set EDGE_ROBOT_INTERFACE to the one to the dog (lo for the mock robot)",
        )
    if not found.up:
        return failed(
            "interface",
            f"{wanted} is down; this machine has {listed}",
            f"plug the cable in, or `ip link set {wanted} up`",
        )
    if found.address is None:
        return failed(
            "interface",
            f"{wanted} has no IPv4 address; this machine has {listed}",
            f"give it one in the dog's network: `ip address add {ROBOT_NETWORK}99/24 dev {wanted}`",
        )
    return ok("interface", f"{found}; this machine has {listed}")
