"""Which bundle an agent starts with, and whether the cloud serves the same."""

import logging
from pathlib import Path

from edge_agent.bundles.comparison import differing_parts
from edge_agent.bundles.pull import BundleSource
from edge_agent.bundles.self_test import load_checked
from edge_agent.bundles.store import BundleStore
from edge_agent.recognizer import Recognizer
from edge_agent.settings import EdgeSettings
from shared.bundle import MANIFEST_NAME, BundleManifest, file_sha256
from shared.errors import BundleError, CloudError

COMPARE_TIMEOUT_S = 2.0

logger = logging.getLogger(__name__)


def load_recognizer(settings: EdgeSettings) -> Recognizer:
    """Return the recogniser of the settings' bundle, or of the last good one where it is damaged.

    Only a pulled bundle that is in use falls back, to the one in use before it; a bundle that was
    named is taken or refused (BundleError). With `bundle_sha256` set nothing else than that bundle
    is read at all.
    """
    options, store = settings.provider_options, BundleStore()
    if settings.bundle_sha256 is not None:
        check_pin(settings.bundle, settings.bundle_sha256)
        return load_checked(settings.bundle, options)
    try:
        return load_checked(settings.bundle, options)
    except BundleError as error:
        before = store.previous()
        if settings.bundle != store.current() or before is None:
            raise
        logger.error("%s; going on with %s", error.message, before.name)
        return load_checked(before, options)


def check_pin(directory: Path, manifest_sha256: str) -> None:
    """Raise BundleError unless the bundle's manifest is the one that was pinned.

    The manifest holds every other file's hash, and nothing is read that does not match it.
    """
    path = directory / MANIFEST_NAME
    try:
        found = file_sha256(path)
    except OSError as error:
        raise BundleError(f"{path} cannot be read ({error}); pull the bundle again") from error
    if found != manifest_sha256.lower():
        raise BundleError(
            f"{path} has SHA-256 {found}, not the one that EDGE_BUNDLE_SHA256 names; nothing of this "
            "bundle is used"
        )


def compare_with_cloud(settings: EdgeSettings, manifest: BundleManifest) -> None:
    """Warn, or refuse by BundleError, where the cloud serves another bundle than this edge runs.

    A cloud that is away or offers none is no reason not to start.
    """
    if settings.bundle_mismatch == "ignore":
        return
    key = settings.cloud_key.get_secret_value() if settings.cloud_key else None
    source = BundleSource(
        settings.cloud_url,
        key,
        certificates=settings.cloud_certificates,
        timeout_s=COMPARE_TIMEOUT_S,
    )
    try:
        offered = source.offer(manifest.name).manifest
    except CloudError as error:
        logger.info("the bundle was not compared with the cloud's: %s", error.message)
        return
    finally:
        source.close()
    parts = differing_parts(manifest, offered)
    if not parts:
        return
    difference = (
        f"the cloud serves the bundle {offered.fingerprint[:12]}, this edge runs "
        f"{manifest.fingerprint[:12]}; they differ in {', '.join(parts)}; "
        f"`edge-agent bundle pull {manifest.name}` brings them together"
    )
    if settings.bundle_mismatch == "refuse":
        raise BundleError(difference)
    logger.warning("%s", difference)
