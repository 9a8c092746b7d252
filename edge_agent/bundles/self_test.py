"""The self-test of a bundle: this machine must make of a few utterances what the exporter made."""

from pathlib import Path

from edge_agent.provider import ProviderOptions
from edge_agent.recognizer import Recognizer
from shared.errors import BundleError

TOLERANCE = 0.1
"""How far a probability may lie from the exporter's fp32: int8 and fp16 round."""


def load_checked(directory: Path, options: ProviderOptions | None = None) -> Recognizer:
    """Return the bundle's recogniser once its self-test has passed; BundleError where it has not."""
    recognizer = Recognizer.load(directory, options=options)
    for check in recognizer.manifest.checks:
        found = dict(recognizer.posterior(check.text).ranked)[check.tag]
        if not abs(found - check.probability) <= TOLERANCE:
            raise BundleError(
                f"the bundle at {directory} gives {check.tag} for {check.text!r} the probability "
                f"{found:.3f} here, {check.probability:.3f} where it was made; pull it again"
            )
    return recognizer
