"""An exported graph in the precision of its bundle: int8 for a processor, fp16 for a GPU, fp32 as it is."""

import logging
from pathlib import Path

from cloud_server.bundle_state import Precision

BLOCK_SIZE = 32
"""How many int8 weights share a scale."""


def reduce_graph(path: Path, precision: Precision) -> None:
    """Bring the fp32 graph of a file to the precision asked for, in place."""
    if precision == "int8":
        quantise_graph(path)
    elif precision == "fp16":
        halve_graph(path)


def halve_graph(path: Path) -> None:
    """Compute in fp16, inputs and outputs stay fp32: for a GPU."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save(convert_float_to_float16(onnx.load(str(path)), keep_io_types=True), str(path))


def quantise_graph(path: Path) -> None:
    """Replace constant matrices by int8 blocks with a scale each (MatMulNBits).

    Unlike dynamic quantisation, a token's result does not depend on the tokens beside it, so the
    posterior is the same in one pass as one tag at a time.
    """
    import onnx

    logging.getLogger("onnxruntime.quantization").setLevel(logging.WARNING)
    from onnxruntime.quantization.matmul_nbits_quantizer import (
        DefaultWeightOnlyQuantConfig,
        MatMulNBitsQuantizer,
    )

    configuration = DefaultWeightOnlyQuantConfig(
        block_size=BLOCK_SIZE, is_symmetric=True, accuracy_level=4, bits=8
    )
    quantizer = MatMulNBitsQuantizer(onnx.load(str(path)), algo_config=configuration)
    quantizer.process()
    quantizer.model.save_model_to_file(str(path))
