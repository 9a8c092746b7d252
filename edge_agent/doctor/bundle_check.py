"""The bundle: there, the pinned one, whole by its hashes, and of the same mind here as where it was made."""

from pathlib import Path

from edge_agent.doctor.finding import Finding, failed, ok
from edge_agent.provider import ProviderOptions
from shared.bundle import BundleManifest
from shared.errors import BundleError, ConfigurationError

MAKE_IT = "`cloud-server export-edge` makes one; EDGE_BUNDLE names another place"
PULL_IT = (
    "`edge-agent bundle pull` fetches the pinned one where the cloud offers it; change "
    "EDGE_BUNDLE_SHA256 only for a bundle that you trust"
)


def check_bundle(
    directory: Path,
    *,
    options: ProviderOptions | None = None,
    manifest_sha256: str | None = None,
) -> tuple[Finding, BundleManifest | None]:
    """Return the finding and the bundle's manifest, None where it cannot be used.

    options: where its graph is to run, by default on the processor. manifest_sha256: the
    only manifest that the agent takes; nothing else is read of another bundle.
    """
    if not directory.is_dir():
        return failed("bundle", f"there is none at {directory}", MAKE_IT), None
    from edge_agent.bundles.choice import check_pin
    from edge_agent.bundles.self_test import load_checked

    if manifest_sha256 is not None:
        try:
            check_pin(directory, manifest_sha256)
        except BundleError as error:
            return failed("bundle", error.message, PULL_IT), None
    try:
        recognizer = load_checked(directory, options)
    except BundleError as error:
        return failed("bundle", error.message, MAKE_IT), None
    except ConfigurationError as error:
        return failed("bundle", "it cannot be run as the settings ask", error.message), None
    return ok("bundle", _describe(recognizer.manifest)), recognizer.manifest


def _describe(manifest: BundleManifest) -> str:
    taught = f"; taught {', '.join(manifest.taught)}" if manifest.taught else ""
    return (
        f"{manifest.name}, {manifest.precision}, {manifest.fingerprint[:12]}; files whole, "
        f"{len(manifest.checks)} self-tests passed{taught}"
    )
