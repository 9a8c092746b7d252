"""The command: instant help, one line for what is wrong, and a service that starts, answers and ends."""

import os
import re
import signal
import subprocess
import sys

import httpx
import pytest
from click.testing import CliRunner

from cloud_server.cli import main

GUARD_S = 120
QUESTION = {"request_id": "q", "robot_id": "d", "session_id": "s", "text": "你好", "lang": "zh"}


def start(*arguments: str) -> "subprocess.Popen[str]":
    environment = {name: text for name, text in os.environ.items() if not name.startswith("CLOUD_")}
    return subprocess.Popen(
        [sys.executable, "-m", "cloud_server", *arguments],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from cloud_server.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'fastapi', 'uvicorn'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["--host", "0.0.0.0"], {}, "CLOUD_API_KEYS"),
        (["--port", "99999"], {}, "CLOUD_PORT"),
        ([], {"CLOUD_NO_SUCH_THING": "1"}, "CLOUD_NO_SUCH_THING"),
    ],
)
def test_a_wrong_setting_is_one_line_and_exit_code_2(arguments, environment, said):
    result = CliRunner().invoke(main, ["serve", *arguments], env=environment)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert "(configuration_invalid)" in result.stderr


def test_without_its_model_the_service_ends_and_says_what_to_do(tmp_path):
    with start("serve", "--port", "0", "--base", str(tmp_path)) as process:
        _, said = process.communicate(timeout=GUARD_S)
    assert process.returncode == 2
    assert "cloud-server prepare" in said.splitlines()[-1]
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("report", "told"), [("data.jsonl", "are one file"), ("/proc/nope/x", "x cannot be written")]
)
def test_evaluate_refuses_a_report_before_any_model_is_loaded(tmp_path, monkeypatch, report, told):
    monkeypatch.setitem(sys.modules, "cloud_server.training.evaluate", None)  # not to be imported
    rows = '{"text": "sit", "label": "Sit"}\n'
    data = tmp_path / "data.jsonl"
    data.write_text(rows)
    arguments = ["--data", str(data), "--report", str(tmp_path / report), "--mode", "detached"]
    result = CliRunner().invoke(main, ["evaluate", *arguments])
    assert result.exit_code == 2
    assert told in result.stderr
    assert data.read_text() == rows


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_tiny_profile_serves_and_ends_on_a_signal(number):
    with start("serve", "--profile", "tiny", "--port", "0") as process:
        url = said = ""
        while "ready: tiny" not in said:
            said = process.stderr.readline()
            assert said, "the service ended before it was ready"
            if found := re.search(r"running on (http://\S+)", said):
                url = found.group(1)
        with httpx.Client(base_url=url, timeout=GUARD_S, trust_env=False) as client:
            assert client.get("/readyz").status_code == 200
            answer = client.post("/v1/intents", json={**QUESTION, "max_tokens": 4})
        assert answer.status_code == 200
        assert answer.json()["request_id"] == "q"
        process.send_signal(number)
        _, rest = process.communicate(timeout=GUARD_S)
    assert process.returncode == 0
    assert "Traceback" not in rest
