"""Threads may create topics of one type at once: it is described before that (`dds_domain.py`)."""

import subprocess
import sys

from edge_agent.free_places import choose_domain

PROGRAM = """
import sys
from concurrent.futures import ThreadPoolExecutor
from edge_agent.robot.dds_domain import join_domain
from unitree_sdk2py.core import channel

join_domain(int(sys.argv[1]), "lo")
from unitree_sdk2py.idl.unitree_api.msg.dds_ import Request_
factory = channel.ChannelFactory()
with ThreadPoolExecutor(8) as pool:
    made = list(pool.map(lambda n: factory.CreateSendChannel(f"rt/test/{n}", Request_), range(24)))
print(len(made))
"""


def test_threads_create_topics_at_once() -> None:
    # In a process of its own: one process, one domain.
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(choose_domain())],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["24"], done.stderr[-2000:]
