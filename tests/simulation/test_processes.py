"""The simulation's processes: awaited, told about when they die, ended for sure; free places."""

import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from edge_agent.child_process import ChildProcess
from edge_agent.free_places import choose_domain, choose_port, domain_is_free, port_is_free
from edge_agent.preparation import prepare_base, prepare_bundle
from edge_agent.settings import EdgeSettings, default_bundle
from edge_agent.simulation import (
    Simulation,
    SimulationOptions,
    agent_environment,
    cloud_environment,
)
from shared.errors import BaseUnavailable, BundleError, ConfigurationError, RobotUnavailable


def start(module: list[str], folder: Path, name: str = "child") -> ChildProcess:
    return ChildProcess(name, module, {**os.environ, "PYTHONPATH": str(folder)}, folder / "log")


def test_a_child_is_awaited_and_ended(tmp_path: Path) -> None:
    port = choose_port(0, set())
    child = start(["http.server", str(port), "--bind", "127.0.0.1"], tmp_path)
    try:
        child.wait_until_ready(f"http://127.0.0.1:{port}/", 30)
        assert child.alive()
        # a session of its own, so that a terminal's Ctrl-C does not reach it
        assert os.getsid(child.pid) != os.getsid(0)
    finally:
        child.end()
    assert not child.alive()


def test_a_dead_child_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    (tmp_path / "dies.py").write_text("import sys; sys.exit('no such model')")
    child = start(["dies"], tmp_path, "cloud")
    with pytest.raises(ConfigurationError, match=r"(?s)the cloud has ended.*no such model"):
        child.wait_until_ready("http://127.0.0.1:1/", 30)
    child.end()


def test_another_process_that_answers_makes_no_dead_child_ready(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "http.server", "0", "--bind", "127.0.0.1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        cwd=tmp_path,
        text=True,
    ) as other:
        try:
            assert other.stdout is not None
            [url] = re.findall(r"http://\S+/", other.stdout.readline())
            (tmp_path / "dies.py").write_text("import sys; sys.exit('the port is taken')")
            child = start(["dies"], tmp_path, "agent")
            child.end()
            with pytest.raises(ConfigurationError, match=r"(?s)the agent has ended"):
                child.wait_until_ready(url, 30)
        finally:
            other.terminate()


def test_a_child_that_ignores_the_signal_is_ended_by_force(tmp_path: Path) -> None:
    (tmp_path / "stubborn.py").write_text(
        "import http.server, signal, sys\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "handler = http.server.SimpleHTTPRequestHandler\n"
        "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), handler).serve_forever()\n"
    )
    port = choose_port(0, set())
    child = start(["stubborn", str(port)], tmp_path)
    try:
        child.wait_until_ready(f"http://127.0.0.1:{port}/", 30)
    finally:
        child.end(timeout_s=0.05)
    assert not child.alive()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_a_child_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "lives.py").write_text("import threading; threading.Event().wait(60)")
    program = (
        "import os, signal, sys, pathlib\n"
        "from edge_agent.child_process import ChildProcess\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "given = {**os.environ, 'PYTHONPATH': str(folder)}\n"
        "child = ChildProcess('child', ['lives'], given, folder / 'log')\n"
        "print(child.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    parent = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, check=False
    )
    assert parent.returncode == -signal.SIGKILL
    assert _ends(int(parent.stdout))


def _ends(pid: int) -> bool:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:  # readable once the process has ended
        return bool(select.select([descriptor], [], [], 20)[0])
    finally:
        os.close(descriptor)


def test_a_taken_port_is_replaced() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not port_is_free(port)
        taken: set[int] = set()
        other = choose_port(port, taken)
        assert other != port
        assert choose_port(other, taken) != other


def test_a_taken_domain_is_seen() -> None:
    domain = choose_domain()
    assert domain > 0  # 0 is a real dog's
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as participant:
        participant.bind(("127.0.0.1", 7400 + 250 * domain + 10))
        assert not domain_is_free(domain)


def test_the_agent_keeps_a_persons_settings_but_not_those_of_the_simulation() -> None:
    inherited = {
        "EDGE_LINES": "shadow",
        "EDGE_VOICE": "text",
        "EDGE_PORT": "1",
        "EDGE_PAIRING_TOKEN": "a secret of theirs",
        "EDGE_TLS_CERTIFICATE": "cert.pem",
        "EDGE_TLS_KEY": "key.pem",
    }
    environment = agent_environment(inherited, {"PORT": "9000", "SIMULATION": "true"})
    assert environment["EDGE_LINES"] == "shadow"
    assert environment["EDGE_VOICE"] == "text"
    assert environment["EDGE_PORT"] == "9000"
    assert "EDGE_PAIRING_TOKEN" not in environment
    assert not [name for name in environment if "TLS" in name]


def test_the_cloud_gets_the_simulations_key_alone() -> None:
    inherited = {"CLOUD_API_KEYS": "old", "CLOUD_PROFILE": "tiny", "EDGE_PORT": "1", "HOME": "/h"}
    environment = cloud_environment(inherited, "new")
    assert environment["CLOUD_API_KEYS"] == "new"
    assert environment["CLOUD_PROFILE"] == "tiny"
    assert "EDGE_PORT" not in environment
    assert "new" not in inherited.values()


def test_the_clouds_commands_prepare_the_default_bundle(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SHADOWDOG_CACHE", str(tmp_path))
    ran: list[list[str]] = []
    prepare_bundle(default_bundle(), lambda arguments: ran.append(arguments) or 0)
    prepare_base(lambda arguments: ran.append(arguments) or 0)
    prepare_bundle(tmp_path / "named", lambda arguments: ran.append(arguments) or 0)
    assert ran == [["export-edge", "--if-needed"], ["prepare", "--if-needed"]]


def test_a_failed_preparation_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SHADOWDOG_CACHE", str(tmp_path))
    with pytest.raises(BaseUnavailable, match="prepare"):
        prepare_base(lambda _: 1)
    with pytest.raises(BundleError, match="export-edge"):
        prepare_bundle(default_bundle(), lambda _: 1)
    prepare_bundle(tmp_path / "named", lambda _: 1)  # a bundle that was named is not made


def test_no_process_gets_the_port_that_another_was_given() -> None:
    free = choose_port(0, set())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edge_agent.simulation.DEFAULT_CLOUD_PORT", free)
        simulation = Simulation(SimulationOptions(agent_port=free), EdgeSettings())
    assert simulation.agent_url.endswith(f":{free}")
    assert len({simulation.agent_url, simulation.cloud_url, simulation.mock_url}) == 3


def test_a_port_is_given_once_and_is_free() -> None:
    free = choose_port(0, set())
    SimulationOptions(agent_port=free).check_ports()
    with pytest.raises(ConfigurationError, match=f"--agent-port and --mock-port are both {free}"):
        SimulationOptions(agent_port=free, mock_port=free).check_ports()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port}; .*another --cloud-port"):
            SimulationOptions(cloud_port=port).check_ports()


class Short(Simulation):
    """A simulation of one process, which the test says the end of."""

    def start(self) -> None:
        self._children.append(
            ChildProcess("agent", ["http.server", "0"], os.environ, self.logs / "agent.log")
        )


@pytest.mark.parametrize("ending", [None, KeyboardInterrupt])
def test_after_an_orderly_end_nothing_that_was_said_stays(
    ending: type[BaseException] | None,
) -> None:
    told: list[str] = []
    with suppress(KeyboardInterrupt), Short(SimulationOptions(), EdgeSettings(), told.append) as it:
        (it.logs / "journal.jsonl").write_text("said")
        if ending is not None:
            raise ending
    assert not it.logs.exists()
    assert told == []


def test_logs_stay_and_are_told_of_where_something_failed_or_they_are_wanted() -> None:
    told: list[str] = []
    with suppress(RobotUnavailable), Short(SimulationOptions(), EdgeSettings(), told.append) as one:
        raise RobotUnavailable("gone")
    with Short(SimulationOptions(), EdgeSettings(), told.append) as two:
        two._children[0].end()
    with Short(SimulationOptions(keep=True), EdgeSettings(), told.append) as three:
        pass
    for line, simulation in zip(told, (one, two, three), strict=True):
        assert str(simulation.logs) in line
        shutil.rmtree(simulation.logs)
