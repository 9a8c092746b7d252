"""The set of faults: every one is listed, switched by command and checked before it is switched."""

import json

import pytest

from edge_agent.mock_robot.faults import (
    FAULT_NAMES,
    KINDS,
    Faults,
    HotMotor,
    Rejecting,
    Slow,
    Unsupported,
)
from shared.errors import RequestError


def test_every_fault_is_listed_once_with_what_it_means():
    entries = Faults().describe()
    assert [entry["fault"] for entry in entries] == list(FAULT_NAMES)
    assert len(set(FAULT_NAMES)) == len(KINDS)
    assert all(entry["description"].endswith(".") and not entry["on"] for entry in entries)
    assert json.loads(json.dumps(entries)) == entries


@pytest.mark.parametrize("name", FAULT_NAMES)
def test_every_fault_is_switched_on_and_off_by_its_name(name):
    faults = Faults()
    told = []
    faults.on_change = lambda fault, on: told.append((fault.fault, on))
    assert faults.command({"fault": name})["on"] is True
    assert faults.command({"fault": name, "on": True})["on"] is True
    assert faults.command({"fault": name, "on": False})["on"] is False
    assert told == [(name, True), (name, True), (name, False)]


def test_parameters_are_taken_and_told():
    faults = Faults()
    entry = faults.command({"fault": "rejecting", "on": True, "code": 3202, "api_ids": [1009]})
    assert entry["parameters"] == {"code": 3202, "api_ids": [1009]}
    assert faults.active(Rejecting) == Rejecting(code=3202, api_ids=frozenset({1009}))
    assert faults.active(Slow) is None
    faults.command({"fault": "hot_motor", "celsius": 80})
    assert faults.active(HotMotor) == HotMotor(celsius=80.0)


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({}, "no such fault"),
        ({"fault": "gremlins"}, "the faults are slow"),
        ({"fault": "slow", "on": "yes"}, "true or false"),
        ({"fault": "slow", "delay_s": 0}, "delay_s"),
        ({"fault": "slow", "delay_s": float("nan")}, "delay_s"),
        ({"fault": "dead", "delay_s": 1}, "delay_s"),
        ({"fault": "unsupported", "api_ids": []}, "api_ids"),
    ],
)
def test_a_wrong_wish_is_refused_and_changes_nothing(wish, words):
    faults = Faults()
    with pytest.raises(RequestError, match=words):
        faults.command(wish)
    assert not any(entry["on"] for entry in faults.describe())


def test_clear_switches_all_off():
    faults = Faults()
    faults.switch(Slow())
    faults.switch(Unsupported(api_ids=frozenset({1016})))
    told = []
    faults.on_change = lambda fault, on: told.append((fault.fault, on))
    faults.clear()
    assert sorted(told) == [("slow", False), ("unsupported", False)]
    assert not any(entry["on"] for entry in faults.describe())
