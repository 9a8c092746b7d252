"""The console's files over HTTP: complete, typed, under a strict policy, and nothing beside them."""

import re
from typing import Any

import httpx
import pytest

from edge_agent.console.files import FOLDER, read_files
from shared.skills import SKILL_NAMES


@pytest.fixture
def http(make_world: Any) -> httpx.Client:
    return httpx.Client(base_url=make_world(token="a pairing token").url, trust_env=False)


def test_the_page_and_its_parts_need_no_token(http: httpx.Client) -> None:
    page = http.get("/")
    assert page.headers["content-type"].startswith("text/html")
    parts = re.findall(r'(?:src|href)="(/console/[^"]+)"', page.text)
    scripts = [f"/console/{path.name}" for path in FOLDER.glob("*.js")]
    assert len(parts) >= 4
    for path in {*parts, *scripts, "/console/skills.json"}:
        answer = http.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["x-content-type-options"] == "nosniff"
        expected = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
        kind = expected.get(path.rpartition(".")[2])
        assert kind is None or answer.headers["content-type"].startswith(kind), path
    assert sorted(http.get("/console/skills.json").json()) == sorted(SKILL_NAMES)


def test_the_policy_lets_nothing_else_in(http: httpx.Client) -> None:
    policy = http.get("/").headers["content-security-policy"]
    for part in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"):
        assert part in policy
    assert "unsafe" not in policy
    assert "microphone=(self)" in http.get("/").headers["permissions-policy"]


@pytest.mark.parametrize(
    "path",
    [
        "/console/",
        "/console/files.py",
        "/console/../files.py",
        "/console/%2e%2e/agent.py",
        "/console/index.html",
    ],
)
def test_nothing_beside_them_is_served(http: httpx.Client, path: str) -> None:
    assert http.get(path).status_code in (401, 404)


def test_every_import_is_a_file() -> None:
    files = read_files()
    for name, (body, _) in files.items():
        for part in re.findall(r'from "\./([^"]+)"', body.decode()):
            assert part in files, f"{name} imports {part}"
        assert "http://" not in body.decode().replace("http://www.w3.org/2000/svg", "").replace(
            "http://localhost", ""
        )
