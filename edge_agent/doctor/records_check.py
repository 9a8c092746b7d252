"""The records: whether journal and outbox can be written here, found out without making anything."""

import os
from collections.abc import Callable
from pathlib import Path

from edge_agent.doctor.finding import Finding, failed, ok, warning

NAME = "records"

MayAccess = Callable[[Path, int], bool]


def check_records(
    journal: Path, outbox: Path, default_folder: Path, may_access: MayAccess = os.access
) -> Finding:
    """Return the finding; the agent does not start where either of them cannot be written.

    default_folder: where both live unless a setting says otherwise. That it is missing and cannot be
    made is a warning only: the service's user cannot make it, systemd does (`StateDirectory`).
    """
    refused: list[tuple[str, str]] = []
    expected: list[tuple[str, str]] = []
    for setting, path in (("EDGE_JOURNAL", journal), ("EDGE_OUTBOX", outbox)):
        trouble = _trouble(path, may_access)
        if trouble is None:
            continue
        to_be_made = path.parent == default_folder and not os.path.exists(default_folder)
        (expected if to_be_made else refused).append((setting, trouble))
    if refused:
        settings = " and ".join(setting for setting, _ in refused)
        told = "; ".join(f"{setting}: {trouble}" for setting, trouble in refused)
        return failed(NAME, told, f"give it to the agent's user, or set {settings}")
    if expected:
        return warning(
            NAME,
            f"{default_folder} is missing and this user cannot make it",
            "the service's start makes it; without systemd make it, or set EDGE_JOURNAL and EDGE_OUTBOX",
        )
    return ok(NAME, f"{journal} and {outbox} can be written")


def _trouble(path: Path, may_access: MayAccess) -> str | None:
    """Return what keeps this user from writing a file, None where nothing does that can be seen.

    os.path is asked throughout: it answers where Path raises, behind a folder that is closed to us.
    """
    if os.path.isdir(path):
        return f"{path} is a folder"
    if os.path.exists(path):
        if not may_access(path, os.R_OK | os.W_OK):
            return f"{path} cannot be written by this user"
        # Both are closed to all but their owner at each start, which only their owner can do.
        if os.geteuid() not in (0, path.stat().st_uid):
            return f"{path} belongs to another user"
        return None
    folder = next(each for each in path.absolute().parents if os.path.exists(each))
    if not os.path.isdir(folder):
        return f"{folder} is no folder"
    if not may_access(folder, os.W_OK | os.X_OK):
        return f"{folder} cannot be written by this user"
    return None
