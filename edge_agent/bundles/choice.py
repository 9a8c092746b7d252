"""Which bundle an agent starts with, and whether the cloud serves the same."""

import logging

from edge_agent.bundles.pull import BundleSource
from edge_agent.bundles.self_test import load_checked
from edge_agent.bundles.store import BundleStore
from edge_agent.recognizer import Recognizer
from edge_agent.settings import EdgeSettings
from shared.bundle import BundleManifest
from shared.errors import BundleError, CloudError

COMPARE_TIMEOUT_S = 2.0

logger = logging.getLogger(__name__)


def load_recognizer(settings: EdgeSettings) -> Recognizer:
    """Return the recogniser of the settings' bundle, or of the last good one where it is damaged.

    Only a pulled bundle that is in use falls back, to the one in use before it; a bundle that was
    named is taken or refused (BundleError).
    """
    options, store = settings.provider_options, BundleStore()
    try:
        return load_checked(settings.bundle, options)
    except BundleError as error:
        before = store.previous()
        if settings.bundle != store.current() or before is None:
            raise
        logger.error("%s; going on with %s", error.message, before.name)
        return load_checked(before, options)


def compare_with_cloud(settings: EdgeSettings, manifest: BundleManifest) -> None:
    """Warn, or refuse by BundleError, where the cloud serves another bundle than this edge runs.

    A cloud that is away or offers none is no reason not to start.
    """
    if settings.bundle_mismatch == "ignore":
        return
    key = settings.cloud_key.get_secret_value() if settings.cloud_key else None
    source = BundleSource(settings.cloud_url, key, timeout_s=COMPARE_TIMEOUT_S)
    try:
        offered = source.offer(manifest.name).manifest.fingerprint
    except CloudError as error:
        logger.info("the bundle was not compared with the cloud's: %s", error.message)
        return
    finally:
        source.close()
    if offered == manifest.fingerprint:
        return
    difference = (
        f"the cloud serves the bundle {offered[:12]}, this edge runs {manifest.fingerprint[:12]}; "
        f"`edge-agent bundle pull {manifest.name}` brings them together"
    )
    if settings.bundle_mismatch == "refuse":
        raise BundleError(difference)
    logger.warning("%s", difference)
