"""`python -m tests.fuzz.run TARGET [libFuzzer's options]`: feed one target with atheris until it fails."""

import logging
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["shared", "edge_agent"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        raise SystemExit(f"name one of {', '.join(TARGETS)}")
    logging.disable(logging.CRITICAL)
    target, samples = TARGETS[sys.argv[1]]
    corpus = tempfile.mkdtemp(prefix="corpus-")
    for number, sample in enumerate(samples):
        (Path(corpus) / str(number)).write_bytes(sample)
    atheris.Setup([sys.argv[0], *sys.argv[2:], corpus], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
