"""What a driver that cannot start tells its user."""

import asyncio

import pytest

from edge_agent.robot.go2 import Go2Robot
from edge_agent.robot.network_interfaces import NetworkInterface, list_interfaces
from edge_agent.robot.start_up import advise_service, advise_unheard, check_interface
from shared.errors import ConfigurationError

LOOPBACK = NetworkInterface("lo", True, "127.0.0.1")
CABLE = NetworkInterface("eth0", True, "192.168.123.99")
WIRELESS = NetworkInterface("wlan0", True, "10.0.0.7")
DOWN = NetworkInterface("eth1", False, None)
ALL = [LOOPBACK, CABLE, WIRELESS, DOWN]


def test_this_machine_has_a_loopback():
    assert LOOPBACK in list_interfaces()


def test_an_interface_that_is_there_and_up_is_taken():
    check_interface("eth0", ALL)


@pytest.mark.parametrize(("name", "words"), [("eth9", "no network interface"), ("eth1", "is down")])
def test_another_one_is_refused_with_those_that_there_are(name, words):
    with pytest.raises(ConfigurationError, match=words) as refused:
        check_interface(name, ALL)
    for each in ALL:
        assert str(each) in refused.value.message


def test_a_driver_on_a_missing_interface_says_so_before_it_joins_a_domain():
    robot = Go2Robot(0, "nowhere0", simulation=True)
    with pytest.raises(ConfigurationError, match=r"this machine has lo \(127\.0\.0\.1\)"):
        asyncio.run(robot.start())


def test_nothing_heard_names_domain_interfaces_and_the_dogs_network():
    advice = advise_unheard(0, "wlan0", ALL, sport_heard=False)
    assert "domain 0 on wlan0" in advice
    assert "eth0 (192.168.123.99)" in advice
    assert "192.168.123.0/24, where wlan0 has no address" in advice
    assert "`edge-agent mock-robot --domain 0`, and set EDGE_ROBOT_INTERFACE=lo" in advice
    assert "has no address" not in advise_unheard(0, "eth0", [LOOPBACK, CABLE], sport_heard=False)
    assert "has no address" not in advise_unheard(1, "lo", [LOOPBACK], sport_heard=False)


def test_half_a_dog_and_a_dog_without_its_service_are_told_apart():
    assert "rt/lowstate" in advise_unheard(0, "eth0", ALL, sport_heard=True)
    assert "all zero" in advise_service(0, silent_state=True)
    assert "3102" in advise_service(0, silent_state=False)
