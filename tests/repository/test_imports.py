"""The edge runs without torch and transformers, and without the robot's SDK until it is needed."""

import subprocess
import sys

MODULES = (
    "edge_agent.cli, edge_agent.agent, edge_agent.api, edge_agent.process, edge_agent.recognizer"
)


def test_the_edge_loads_no_torch() -> None:
    code = (
        f"import {MODULES}, sys; print([m for m in ('torch', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_asking_for_help_loads_little() -> None:
    for command, heavy in (
        ("edge_agent.cli", ("onnxruntime", "fastapi", "unitree_sdk2py", "cyclonedds")),
        ("cloud_server.cli", ("torch", "transformers", "fastapi")),
    ):
        code = f"import {command}, sys; print([m for m in {heavy} if m in sys.modules])"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == "[]", command
