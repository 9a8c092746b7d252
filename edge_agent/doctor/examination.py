"""The whole examination: every check in order, told as lines or JSON."""

import contextlib
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from edge_agent.doctor.bundle_check import check_bundle
from edge_agent.doctor.clock_check import check_clock
from edge_agent.doctor.cloud_check import check_cloud
from edge_agent.doctor.ears_check import check_ears, check_second_ears
from edge_agent.doctor.finding import Finding
from edge_agent.doctor.interface_check import check_interface
from edge_agent.doctor.records_check import check_records
from edge_agent.doctor.robot_check import Probe, check_firmware, check_robot
from edge_agent.doctor.sound_check import check_microphone, check_voice
from edge_agent.robot.network_interfaces import list_interfaces
from edge_agent.robot.probe import RobotProbe
from edge_agent.settings import EdgeSettings, state_directory
from edge_agent.speech.choice import choose_ears, choose_second_ears


def examine(settings: EdgeSettings, probe: Probe | None = None) -> list[Finding]:
    """Look at every part; takes some seconds where nothing answers, and moves nothing."""
    began, began_monotonic = time.time(), time.monotonic()
    interface = check_interface(settings.robot_interface, list_interfaces())
    probe = probe or RobotProbe(
        settings.robot_domain, settings.robot_interface, settings.simulation
    )
    with contextlib.redirect_stdout(sys.stderr):  # the SDK prints as it goes
        dds, robot, services = check_robot(probe, settings.robot_domain, interface)
        bundle, manifest = check_bundle(
            settings.bundle,
            options=settings.provider_options,
            manifest_sha256=settings.bundle_sha256,
        )
    key = settings.cloud_key.get_secret_value() if settings.cloud_key else None
    cloud = check_cloud(settings.cloud_url, key, manifest, certificates=settings.cloud_certificates)
    step_s = (time.time() - began) - (time.monotonic() - began_monotonic)
    return [
        dds,
        interface,
        robot,
        services,
        check_firmware(settings.journal),
        check_records(settings.journal, settings.outbox, state_directory()),
        bundle,
        cloud,
        check_microphone(),
        check_ears(choose_ears(settings)),
        *check_second_ears(choose_second_ears(settings)),
        check_voice(settings.voice, settings.synthesizer),
        check_clock(datetime.now(timezone.utc), step_s),
    ]


def works(findings: Sequence[Finding]) -> bool:
    """Return whether nothing that the dog needs is missing."""
    return all(each.state != "failed" for each in findings)


def describe(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the findings for `--json`."""
    return {"ok": works(findings), "findings": [each.describe() for each in findings]}


def render(findings: Sequence[Finding]) -> str:
    """Return a line a part, with what to do below it."""
    lines = []
    for each in findings:
        lines.append(f"{each.state:8} {each.name:10} {each.message}")
        if each.todo:
            lines.append(f"{'':19} → {each.todo}")
    return "\n".join(lines)
