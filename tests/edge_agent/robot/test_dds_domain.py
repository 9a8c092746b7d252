"""Joining a domain leaves nothing for threads to do at once that cyclonedds does without a lock."""

import subprocess
import sys

import pytest

PROGRAM = """
from edge_agent.robot.dds_domain import join_domain
from unitree_sdk2py.idl.unitree_api.msg.dds_ import Request_, Response_
before = [each.__idl__._xt_data[0] is None for each in (Request_, Response_)]
join_domain({domain}, "lo")
after = [each.__idl__._xt_data[0] is None for each in (Request_, Response_)]
print(before, after)
"""


def test_the_services_types_are_described_before_any_topic_is_made() -> None:
    pytest.importorskip("unitree_sdk2py")
    from edge_agent.free_places import choose_domain

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(domain=choose_domain())],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[True, True] [False, False]"
