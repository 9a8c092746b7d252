"""The robot: DDS, its state, its services, and what its firmware has refused."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from edge_agent.doctor.finding import Finding, failed, ok, skipped, warning
from edge_agent.robot.interface import RobotState
from edge_agent.robot.probe import ServiceAnswer
from edge_agent.robot.start_up import advise_mock
from shared.errors import ConfigurationError

NOT_IMPLEMENTED = 3203
NEEDED_SERVICE = "sport"
FRESH_S = 1.0
JOURNAL_LINES = 5000


class Probe(Protocol):
    """A look at the robot; see `edge_agent.robot.probe.RobotProbe`."""

    def join(self) -> str: ...
    def hear(self) -> RobotState: ...
    def ask_services(self) -> list[ServiceAnswer]: ...
    def ask_mode(self) -> str | None: ...


def check_robot(probe: Probe, domain: int, interface: Finding) -> list[Finding]:
    """Return the findings on DDS, state and services, each as far as the one before allows."""
    if interface.state == "failed":
        missing = f"not looked at: {interface.message.split(';')[0]}"
        return [skipped(name, missing) for name in ("dds", "robot", "services")]
    try:
        version = probe.join()
    except ConfigurationError as error:
        missing = "not looked at without DDS"
        return [
            failed("dds", f"it cannot be used in domain {domain}", error.message),
            skipped("robot", missing),
            skipped("services", missing),
        ]
    dds = ok("dds", f"cyclonedds {version}, in domain {domain}")
    services = probe.ask_services()
    mode = probe.ask_mode() if any(each.code == 0 for each in services) else None
    return [dds, _check_state(probe.hear(), domain), _check_services(services, mode)]


def _check_state(state: RobotState, domain: int) -> Finding:
    if state.age_s is None:
        return failed(
            "robot",
            f"no state is heard in domain {domain}",
            "switch the dog on, wait until it stands, and check EDGE_ROBOT_DOMAIN and the cable; "
            f"{advise_mock(domain)}",
        )
    if state.age_s > FRESH_S:
        return failed(
            "robot",
            f"its last state is {state.age_s:.1f} s old",
            "the dog or its sport service has stopped; restart it",
        )
    if state.posture == "unknown":
        return failed(
            "robot",
            f"its state arrives ({state.age_s:.2f} s old) and says nothing of its posture",
            "switch the sport service on in the dog's app",
        )
    if state.battery_percent is None:
        return failed(
            "robot",
            f"its sport state arrives ({state.age_s:.2f} s old) and says nothing of its battery "
            "(rt/lowstate)",
            "wait until the dog has booted, or restart it",
        )
    told = f"battery {state.battery_percent:.0f} %, state {state.age_s:.2f} s old"
    return ok("robot", f"{state.posture}, {told}")


def _check_services(answers: Sequence[ServiceAnswer], mode: str | None) -> Finding:
    told = ", ".join(f"{each.name} {each.version}" for each in answers if each.code == 0)
    silent = ", ".join(f"{each.name} ({each.code})" for each in answers if each.code != 0)
    needed = next((each for each in answers if each.name == NEEDED_SERVICE), None)
    if needed is None or needed.code != 0:
        return failed(
            "services",
            f"the sport service does not answer; answering: {told or 'none'}; silent: {silent}",
            "switch the sport service on in the dog's app, or restart the dog",
        )
    if mode == "":
        return failed(
            "services",
            f"no motion mode is on; answering: {told}",
            "choose a motion mode in the dog's app; nothing here selects one by itself",
        )
    named = f"; motion mode {mode}" if mode else ""
    if silent:
        return warning(
            "services",
            f"answering: {told}{named}; silent: {silent}",
            "the dog does without them; a Go2 Air has no audiohub",
        )
    return ok("services", f"answering: {told}{named}")


def check_firmware(journal: Path) -> Finding:
    """Say which calls the firmware has refused as not implemented, as the journal remembers.

    Nothing is called for it: the only way to ask is to let the dog do it.
    """
    try:
        with journal.open(encoding="utf-8", errors="replace") as lines:
            outcomes = list(lines)[-JOURNAL_LINES:]
    except OSError:
        return skipped("firmware", f"nothing is known of its refusals yet: no journal at {journal}")
    refused: dict[str, str] = {}
    for line in outcomes:
        for name, time in _refusals(line):
            refused[name] = time
    if not refused:
        return ok("firmware", f"no call was refused with 3203 in {len(outcomes)} outcomes")
    told = ", ".join(f"{name} (last {time})" for name, time in refused.items())
    return warning(
        "firmware",
        f"refused as not implemented (3203): {told}",
        "update the dog's firmware; until then these skills do their fall-back or fail",
    )


def _refusals(line: str) -> list[tuple[str, str]]:
    try:
        outcome = json.loads(line)
        return [
            (f"{call['name']} {call['api_id']}", str(outcome["time"]))
            for call in outcome["execution"]["calls"]
            if call["code"] == NOT_IMPLEMENTED
        ]
    except (ValueError, KeyError, TypeError):
        return []  # a line that a crash tore
