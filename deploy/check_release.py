"""Installs the built wheel and sdist into empty environments and lets the installed programs work there.

    make release-check          (or: python deploy/check_release.py dist)

Edge from the wheel and from the sdist, cloud from the wheel, each in an environment, cache and state of its own and
away from the repository: the cloud prepares the base and serves the shadow that came with it, the edge pulls
its bundle from it, a mock robot answers, and `edge-agent doctor` has to find every needed part. Ends
non-zero, with what was said, at the first thing that does not.
"""

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
READY_S = 300
DOMAIN = "77"
MUST_BE_FINE = {"dds", "interface", "robot", "services", "bundle", "cloud"}


def run(*command: str | Path, folder: Path, env: dict[str, str] | None = None) -> str:
    """Run to the end in a folder of its own; the whole output where it fails."""
    done = subprocess.run(
        [str(part) for part in command], cwd=folder, env=env, text=True, capture_output=True
    )
    if done.returncode != 0:
        told = " ".join(map(str, command))
        sys.exit(f"FAILED ({done.returncode}): {told}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def install(name: str, what: Path, extras: str, folder: Path, first: tuple[str, ...] = ()) -> Path:
    """Make an empty environment, install `what` as a user would, and return its programs' folder."""
    print(f"installing {what.name}[{extras}] into an empty environment", flush=True)
    place = folder / name
    run(sys.executable, "-m", "venv", place, folder=folder)
    python = place / "bin" / "python"
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    if first:
        run(*pip, *first, folder=folder)
    run(*pip, f"shadowdog[{extras}] @ {what.as_uri()}", folder=folder)
    if "edge" in extras:
        run(*pip, "--no-deps", "-r", REPOSITORY / "requirements/robot.txt", folder=folder)
    return python.parent


def environment(folder: Path, **given: str) -> dict[str, str]:
    """Return an environment with a cache and a state of its own, and no setting but the given."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("EDGE_", "CLOUD_", "PYTHONPATH", "SHADOWDOG_", "VIRTUAL_ENV"))
    }
    places = {"SHADOWDOG_CACHE": str(folder / "cache"), "XDG_STATE_HOME": str(folder / "state")}
    return {**kept, **places, **given}


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


@contextlib.contextmanager
def served(*command: str | Path, url: str, folder: Path, env: dict[str, str]) -> Iterator[None]:
    """Run a server while the block runs; its log where it does not come up."""
    log = folder / "server.log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            [str(part) for part in command], cwd=folder, env=env, stdout=stream, stderr=stream
        )
    try:
        give_up_at = time.monotonic() + READY_S
        while not answers(url):
            if process.poll() is not None or time.monotonic() > give_up_at:
                sys.exit(f"FAILED: {command[0]} does not answer\n{log.read_text()}")
            time.sleep(0.2)
        yield
    finally:
        process.terminate()
        process.wait(30)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def check_edge(programs: Path, folder: Path, cloud_url: str, key: str) -> None:
    """Let an installed edge pull its bundle, find its parts, and judge an utterance."""
    folder.mkdir()
    agent = programs / "edge-agent"
    env = environment(
        folder,
        EDGE_CLOUD_URL=cloud_url,
        EDGE_CLOUD_KEY=key,
        EDGE_SIMULATION="true",
        EDGE_ROBOT_INTERFACE="lo",
        EDGE_ROBOT_DOMAIN=DOMAIN,
        EDGE_VOICE="text",
    )
    print(run(agent, "--version", folder=folder, env=env).strip())
    print(run(agent, "bundle", "pull", folder=folder, env=env).strip())
    mock_env = environment(folder)
    port = free_port()
    mock = (agent, "mock-robot", "--domain", DOMAIN, "--interface", "lo", "--port", port)
    ready = f"http://127.0.0.1:{port}/healthz"
    with served(*mock, url=ready, folder=folder, env=mock_env):
        for page in ("/", "/page/main.js", "/page/vendor/three/three.module.min.js"):
            if not answers(f"http://127.0.0.1:{port}{page}"):
                sys.exit(f"FAILED: the installed mock robot does not serve {page}")
        told = json.loads(run(agent, "doctor", "--json", folder=folder, env=env))
        for each in told["findings"]:
            print(f"  {each['state']:8} {each['name']:10} {each['message']}")
        states = {each["name"]: each["state"] for each in told["findings"]}
        unwell = {name for name in MUST_BE_FINE if states[name] != "ok"}
        if not told["ok"] or unwell:
            sys.exit(f"FAILED: the doctor is not content with {', '.join(sorted(unwell))}")
    torch = run(
        programs / "python",
        "-c",
        "import importlib.util as u; print(u.find_spec('torch'))",
        folder=folder,
    )
    if torch.strip() != "None":
        sys.exit("FAILED: the edge has torch")


def main() -> int:
    dist = Path(sys.argv[1]).resolve()
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    version = wheel.name.split("-")[1]
    if version not in sdist.name:
        sys.exit(f"FAILED: {wheel.name} and {sdist.name} are two versions")
    with tempfile.TemporaryDirectory(prefix="shadowdog-release-") as scratch:
        folder = Path(scratch)
        place = folder / "cloud"
        place.mkdir()
        cloud = install("cloud-env", wheel, "cloud", folder, first=("torch==2.13.0",))
        key, port = secrets.token_urlsafe(24), free_port()
        env = environment(place, CLOUD_API_KEYS=key, CLOUD_PORT=port, HF_HUB_OFFLINE="1")
        for command in ("prepare", "export-edge"):
            run(cloud / "cloud-server", command, folder=place, env=env)
        url = f"http://127.0.0.1:{port}"
        with served(cloud / "cloud-server", "serve", url=f"{url}/readyz", folder=place, env=env):
            for name, what in (("wheel", wheel), ("sdist", sdist)):
                programs = install(f"edge-{name}", what, "edge,simulation", folder)
                check_edge(programs, folder / f"edge-from-{name}", url, key)
    print(f"shadowdog {version}: wheel and sdist install and work")
    return 0


if __name__ == "__main__":
    sys.exit(main())
