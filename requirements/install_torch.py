"""Installs the pinned torch: the CPU build where there is no GPU and PyTorch's CPU index answers."""

import shutil
import subprocess
import sys
import urllib.error
import urllib.request

TORCH = "torch==2.13.0"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def cpu_index_answers() -> bool:
    """Return whether PyTorch's CPU index can be reached within a few seconds."""
    try:
        with urllib.request.urlopen(f"{CPU_INDEX}/torch/", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def main() -> int:
    """Run pip; its exit status is ours."""
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    if shutil.which("nvidia-smi") is None and cpu_index_answers():
        command += ["--index-url", CPU_INDEX]
    return subprocess.run([*command, TORCH], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
