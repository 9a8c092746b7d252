"""Whether two bundles make the dog do and say the same, however each of them was written."""

from shared.bundle import BundleManifest

_PARTS = {
    "fingerprint": "fingerprint",
    "thresholds": "thresholds",
    "second_reading": "weights or thresholds of the second reading",
    "second_reader_sha256": "second reader",
    "line_head_sha256": "line head",
}


def differing_parts(ours: BundleManifest, theirs: BundleManifest) -> list[str]:
    """Return what two bundles of one name differ in that decides what is done or said, in words.

    Compared are the trained parts, each by the hash of what it was made from, and the numbers that
    weigh them. Left out is what each export makes anew (`created`, the self-test's last digits) and
    what precision, vocabulary and the exporter's libraries change in the files: an fp16 bundle for a
    GPU beside the cloud's int8 one, or the same shadow exported on two machines, is no difference.
    """
    return [told for name, told in _PARTS.items() if getattr(ours, name) != getattr(theirs, name)]
