"""The interface to the robot."""

import pytest

from edge_agent.doctor.interface_check import check_interface
from edge_agent.robot.network_interfaces import NetworkInterface

MACHINE = [
    NetworkInterface("lo", True, "127.0.0.1"),
    NetworkInterface("eth0", True, "192.168.123.99"),
    NetworkInterface("eth1", False, None),
    NetworkInterface("usb0", True, None),
]


def test_a_good_interface_is_told_with_the_others():
    finding = check_interface("eth0", MACHINE)
    assert finding.state == "ok"
    assert "192.168.123.99" in finding.message
    assert "eth1 (no address, down)" in finding.message


@pytest.mark.parametrize(
    ("name", "told", "todo"),
    [
        ("wlan0", "there is no interface wlan0", "EDGE_ROBOT_INTERFACE"),
        ("eth1", "eth1 is down", "ip link set eth1 up"),
        ("usb0", "usb0 has no IPv4 address", "ip address add 192.168.123.99/24 dev usb0"),
    ],
)
def test_a_bad_one_fails_with_what_to_do(name, told, todo):
    finding = check_interface(name, MACHINE)
    assert finding.state == "failed"
    assert told in finding.message
    assert "eth0 (192.168.123.99)" in finding.message
    assert todo in finding.todo
