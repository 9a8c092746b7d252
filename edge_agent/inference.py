"""ONNX Runtime sessions on the processor that was asked for, with inputs and outputs bound to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edge_agent.provider import Provider, ProviderOptions
from shared.errors import ConfigurationError

_CHAINS: dict[Provider, list[str]] = {
    "cpu": ["CPUExecutionProvider"],
    "cuda": ["CUDAExecutionProvider", "CPUExecutionProvider"],
    "tensorrt": ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"],
}
"""What ONNX Runtime is given for each provider: what one cannot run falls to the next."""


@dataclass
class Graph:
    """One ONNX graph, ready to run: numpy in, numpy out.

    An input that stays the same goes through `constant` once, so that it travels once.
    """

    session: onnxruntime.InferenceSession
    device: str = "cpu"
    device_id: int = 0

    @classmethod
    def open(cls, path: Path, options: ProviderOptions) -> "Graph":
        """Return the graph of a file; ConfigurationError where its provider cannot be had."""
        chain = _CHAINS[options.provider]
        available = onnxruntime.get_available_providers()
        if chain[0] not in available:
            raise ConfigurationError(_unavailable(options.provider, available))
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = options.threads
        settings.inter_op_num_threads = 1
        providers = [(name, _provider_settings(name, options)) for name in chain]
        session = onnxruntime.InferenceSession(str(path), settings, providers=providers)
        if session.get_providers()[0] != chain[0]:  # ONNX Runtime only warns
            raise ConfigurationError(_unavailable(options.provider, session.get_providers()))
        device = "cpu" if options.provider == "cpu" else "cuda"
        return cls(session, device, 0 if device == "cpu" else options.device)

    def constant(self, array: NDArray[Any]) -> Any:
        """Return `array` on the graph's device, to be given to `run` in place of an array."""
        return onnxruntime.OrtValue.ortvalue_from_numpy(
            np.ascontiguousarray(array), self.device, self.device_id
        )

    def run(self, inputs: Mapping[str, Any], outputs: Sequence[str]) -> list[NDArray[Any]]:
        """Return the named outputs for arrays, or values of `constant`, by input name."""
        binding = self.session.io_binding()
        for name, value in inputs.items():
            if isinstance(value, np.ndarray):
                binding.bind_cpu_input(name, np.ascontiguousarray(value))
            else:
                binding.bind_ortvalue_input(name, value)
        for name in outputs:
            binding.bind_output(name, "cpu")
        self.session.run_with_iobinding(binding)
        return list(binding.copy_outputs_to_cpu())


def _provider_settings(name: str, options: ProviderOptions) -> dict[str, Any]:
    if name == "CUDAExecutionProvider":
        return {"device_id": options.device}
    if name == "TensorrtExecutionProvider":
        kept = (
            {}
            if options.engines is None
            else {
                "trt_engine_cache_enable": True,
                "trt_engine_cache_path": str(options.engines),
            }
        )
        return {"device_id": options.device, "trt_fp16_enable": True, **kept}
    return {}


def _unavailable(provider: Provider, found: Sequence[str]) -> str:
    return (
        f"EDGE_PROVIDER={provider}: ONNX Runtime offers only {', '.join(found)} here; install "
        "shadowdog[edge-gpu] in place of onnxruntime (on a Jetson: the wheel of its JetPack), or "
        "set EDGE_PROVIDER=cpu"
    )
