"""`make check`'s look-up of vulnerabilities: it fails for one, and says so where it could not look."""

import json
import runpy
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "requirements" / "audit.py"
SAFE = {"name": "pydantic", "version": "2.14.3", "vulns": []}
WEAK = {**SAFE, "name": "weak", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}
UNKNOWN = {"name": "pydantic", "version": "2.14.3", "skip_reason": "not found on PyPI"}


def audit(monkeypatch: pytest.MonkeyPatch, answer: Any) -> int:
    def run(*_: Any, **__: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(stdout=answer)

    monkeypatch.setattr(subprocess, "run", run)
    return int(runpy.run_path(str(SCRIPT))["main"]())


def told(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


def test_a_vulnerable_package_fails_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit(monkeypatch, told(SAFE, WEAK)) == 1
    assert "weak 2.14.3: PYSEC-1, fixed in 3" in capsys.readouterr().err
    assert audit(monkeypatch, told(SAFE, UNKNOWN)) == 0
    assert "1 of 2 packages looked up" in capsys.readouterr().out


@pytest.mark.parametrize(
    "answer", [told(UNKNOWN, UNKNOWN), "", subprocess.TimeoutExpired("pip-audit", 1)]
)
def test_a_database_out_of_reach_is_a_visible_note(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: Any
) -> None:
    assert audit(monkeypatch, answer) == 0
    assert "NOT audited" in capsys.readouterr().err
