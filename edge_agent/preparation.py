"""Preparing what is missing, base and bundle, by the cloud's own commands in processes of their own."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from edge_agent.settings import default_bundle
from shared.bundle import MANIFEST_NAME
from shared.errors import BaseUnavailable, BundleError, ShadowdogError
from shared.settings import cache_directory

BASE_RECORD = Path("bases") / "gemma-3-270m" / "base.json"
"""What `cloud-server prepare` writes last, in the cache."""

Run = Callable[[list[str]], int]


def run_command(arguments: list[str]) -> int:
    """Run a command of the cloud with its output shown; return its exit status."""
    return subprocess.run(
        [sys.executable, "-m", "cloud_server", *arguments], check=False
    ).returncode


def prepare_bundle(bundle: Path, run: Run = run_command) -> None:
    """Make the default bundle where it is missing; one that was named must be there already."""
    if (bundle / MANIFEST_NAME).is_file() or bundle != default_bundle():
        return
    prepare_base(run)
    print("The edge's bundle is not there yet; exporting it.", file=sys.stderr, flush=True)
    _must(run(["export-edge", "--out", str(bundle)]), "export-edge", BundleError)


def prepare_base(run: Run = run_command) -> None:
    """Make the default base where it is missing."""
    if (cache_directory() / BASE_RECORD).is_file():
        return
    print("The default base is not prepared yet; doing that once.", file=sys.stderr, flush=True)
    _must(run(["prepare"]), "prepare", BaseUnavailable)


def _must(status: int, command: str, error: type[ShadowdogError]) -> None:
    if status != 0:
        raise error(f"`cloud-server {command}` ended with status {status}; see what it said above")
