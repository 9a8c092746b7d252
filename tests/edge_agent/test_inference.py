"""A provider that is asked for and missing is an error with what to do; arrays and constants run alike."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from edge_agent.inference import Graph
from edge_agent.provider import ProviderOptions
from shared.errors import ConfigurationError


@pytest.fixture
def adder(tmp_path: Path) -> Path:
    """A graph of c = a + b."""
    shape = [2]
    values = [helper.make_tensor_value_info(each, TensorProto.FLOAT, shape) for each in "abc"]
    graph = helper.make_graph(
        [helper.make_node("Add", ["a", "b"], ["c"])], "g", values[:2], values[2:]
    )
    opsets = [helper.make_opsetid("", 21)]
    path = tmp_path / "adder.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), str(path))
    return path


def test_arrays_and_constants_give_the_same(adder: Path) -> None:
    graph = Graph.open(adder, ProviderOptions())
    a, b = np.array([1, 2], np.float32), np.array([3, 4], np.float32)
    kept = graph.constant(b)
    for second in (b, kept, kept):
        (c,) = graph.run({"a": a, "b": second}, ["c"])
        np.testing.assert_array_equal(c, [4, 6])


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_missing_provider_is_refused_with_what_to_install(
    adder: Path, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(ConfigurationError, match=r"edge-gpu.*EDGE_PROVIDER=cpu"):
        Graph.open(adder, ProviderOptions(provider=provider))  # type: ignore[arg-type]


def test_a_provider_that_falls_back_silently_is_refused(
    adder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX Runtime only warns where CUDA's libraries are missing and goes on without it."""
    names = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: names)
    with pytest.raises(ConfigurationError, match="EDGE_PROVIDER=cuda"):
        Graph.open(adder, ProviderOptions(provider="cuda"))


def test_onnx_runtime_reports_to_nobody() -> None:
    # It reads the variable when it is first imported, so whatever imports it must find it set.
    program = (
        "import os, sys\n"
        "class Watch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'onnxruntime':\n"
        "            print(os.environ.get('ORT_DISABLE_TELEMETRY'))\n"
        "sys.meta_path.insert(0, Watch())\n"
        "import edge_agent.inference\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.split() == ["1"]
