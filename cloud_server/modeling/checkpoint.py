"""The library's checkpoint directory: written, read strictly, and told from other networks' files."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cloud_server.adapter_files import ADAPTER_NAME, CONFIG_NAME, MODULES_NAME
from shared.errors import CheckpointForeign, CheckpointMismatch


def save_tensors(modules: dict[str, nn.Module], directory: Path) -> None:
    """Write every tensor of `modules` as `<module>.<name>`."""
    tensors = {
        f"{prefix}.{name}": tensor.detach().cpu().contiguous()
        for prefix, module in modules.items()
        for name, tensor in module.state_dict().items()
    }
    save_file(tensors, str(directory / ADAPTER_NAME), metadata={"format": "pt"})


def load_tensors(modules: dict[str, nn.Module], directory: Path) -> None:
    """Copy the directory's tensors into `modules`, or raise and change nothing.

    CheckpointMismatch lists what is missing, unexpected or mis-shaped. Tensors take the modules'
    number format.
    """
    path = directory / ADAPTER_NAME
    try:
        found = load_file(str(path))
    except (SafetensorError, OSError) as error:
        raise CheckpointMismatch(f"{path} cannot be read as safetensors: {error}") from error
    wanted = {
        f"{prefix}.{name}": tensor
        for prefix, module in modules.items()
        for name, tensor in module.state_dict().items()
    }
    complaints = _complaints(wanted, found)
    if (directory / MODULES_NAME).exists():
        complaints.append(f"{MODULES_NAME} holds saved heads, which this version cannot load")
    if complaints:
        raise CheckpointMismatch(
            f"{path} does not fit this base and configuration: " + "; ".join(complaints)
        )
    with torch.no_grad():
        for name, target in wanted.items():
            target.copy_(found[name])


def _complaints(wanted: dict[str, Tensor], found: dict[str, Tensor]) -> list[str]:
    missing = sorted(set(wanted) - set(found))
    unexpected = sorted(set(found) - set(wanted))
    shapes = [
        f"{name} is {tuple(found[name].shape)}, wanted {tuple(wanted[name].shape)}"
        for name in sorted(set(wanted) & set(found))
        if found[name].shape != wanted[name].shape
    ]
    lists = (("missing", missing), ("unexpected", unexpected), ("wrong shape", shapes))
    return [f"{what}: {_shorten(names)}" for what, names in lists if names]


def _shorten(names: list[str], most: int = 8) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def refuse_foreign(directory: Path) -> None:
    """Raise CheckpointForeign, saying what the files are, unless they are the library's adapter."""
    if not directory.is_dir():
        raise CheckpointForeign(f"{directory} is no directory; give the adapter's directory")
    if (directory / "adapter_config.json").exists():
        kind = json.loads((directory / "adapter_config.json").read_text()).get(
            "peft_type", "unknown"
        )
        raise CheckpointForeign(
            f"{directory} is a Hugging Face peft adapter of type {kind}: another network than the "
            "published ShadowPEFT library's; load it with peft"
        )
    if not (directory / CONFIG_NAME).exists() and (directory / "config.json").exists():
        kind = json.loads((directory / "config.json").read_text()).get("model_type", "unknown")
        raise CheckpointForeign(
            f"{directory} is a whole model of type {kind}, not a shadow adapter; "
            "pass it as the base or as an explicit shadow"
        )
    for name in (CONFIG_NAME, ADAPTER_NAME):
        if not (directory / name).exists():
            raise CheckpointForeign(f"{directory} is no shadow adapter: it has no {name}")
