"""The bundle: there, whole by its hashes, and able to tell a command from a question."""

from pathlib import Path

from edge_agent.doctor.finding import Finding, failed, ok
from shared.bundle import BundleManifest
from shared.errors import BundleError
from shared.tags import REMOTE

COMMAND, EXPECTED = "sit down", "[Sit()]"
QUESTION = "What is the capital of France?"
MAKE_IT = "`cloud-server export-edge` makes one; EDGE_BUNDLE names another place"


def check_bundle(directory: Path, threads: int) -> tuple[Finding, BundleManifest | None]:
    """Return the finding and the bundle's manifest, None where it cannot be used."""
    if not directory.is_dir():
        return failed("bundle", f"there is none at {directory}", MAKE_IT), None
    from edge_agent.recognizer import Recognizer

    try:
        recognizer = Recognizer.load(directory, threads)
    except BundleError as error:
        return failed("bundle", error.message, MAKE_IT), None
    manifest = recognizer.manifest
    command, question = recognizer.decide(COMMAND), recognizer.decide(QUESTION)
    if command.tag != EXPECTED or question.tag != REMOTE:
        told = f"{COMMAND!r} → {command.tag}, {QUESTION!r} → {question.tag}"
        return failed(
            "bundle", f"its files are whole, but it decides wrongly: {told}", MAKE_IT
        ), None
    return (
        ok(
            "bundle",
            f"{manifest.name}, {manifest.precision}, {manifest.fingerprint[:12]}; files whole, "
            f"{COMMAND!r} → {command.tag} {command.probability:.3f}",
        ),
        manifest,
    )
