"""The bundle: there, whole by its hashes, and of the same mind here as where it was made."""

from pathlib import Path

from edge_agent.doctor.finding import Finding, failed, ok
from edge_agent.provider import ProviderOptions
from shared.bundle import BundleManifest
from shared.errors import BundleError

MAKE_IT = "`cloud-server export-edge` makes one; EDGE_BUNDLE names another place"


def check_bundle(directory: Path, threads: int) -> tuple[Finding, BundleManifest | None]:
    """Return the finding and the bundle's manifest, None where it cannot be used."""
    if not directory.is_dir():
        return failed("bundle", f"there is none at {directory}", MAKE_IT), None
    from edge_agent.bundles.self_test import load_checked

    try:
        recognizer = load_checked(directory, ProviderOptions(threads=threads))
    except BundleError as error:
        return failed("bundle", error.message, MAKE_IT), None
    manifest = recognizer.manifest
    taught = f"; taught {', '.join(manifest.taught)}" if manifest.taught else ""
    told = (
        f"{manifest.name}, {manifest.precision}, {manifest.fingerprint[:12]}; files whole, "
        f"{len(manifest.checks)} self-tests passed{taught}"
    )
    return ok("bundle", told), manifest
