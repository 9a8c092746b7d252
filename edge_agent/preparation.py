"""Preparing what is missing, base and bundle, by the cloud's own commands in processes of their own."""

import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from edge_agent.settings import default_bundle
from shared.errors import BaseUnavailable, BundleError, ShadowdogError

Run = Callable[[list[str]], int]


def run_command(arguments: list[str]) -> int:
    """Run a command of the cloud with its output shown; return its exit status."""
    return subprocess.run(
        [sys.executable, "-m", "cloud_server", *arguments], check=False
    ).returncode


def can_export() -> bool:
    """Return whether this installation has what exporting needs; a dog's own computer has not."""
    return find_spec("torch") is not None


def prepare_bundle(bundle: Path, run: Run = run_command) -> None:
    """Make the default bundle where it is missing or out of date; a named one is used as it is."""
    if bundle == default_bundle() and can_export():
        _must(run(["export-edge", "--if-needed"]), "export-edge", BundleError)


def prepare_base(run: Run = run_command) -> None:
    """Make the default base where it is missing."""
    if can_export():
        _must(run(["prepare", "--if-needed"]), "prepare", BaseUnavailable)


def _must(status: int, command: str, error: type[ShadowdogError]) -> None:
    if status != 0:
        raise error(f"`cloud-server {command}` ended with status {status}; see what it said above")
