"""The console's files: read once, served with their types under a policy that lets nothing else in."""

import json
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import Response

from shared.skills import SKILLS

FOLDER = Path(__file__).parent
OPEN_FOLDER = "/console/"
"""Under this path nothing is secret, so that a page without a token can ask for one."""

TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
"""What is served and as what; not the system's table, in which a wrong line would break the page."""

HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), screen-wake-lock=(self), camera=(), geolocation=()",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self'; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    ),
}


def read_files() -> dict[str, tuple[bytes, str]]:
    """Return each file's bytes and type by its name, the skills' names in both languages among them."""
    files = {
        path.name: (path.read_bytes(), TYPES[path.suffix])
        for path in FOLDER.iterdir()
        if path.suffix in TYPES
    }
    skills = {
        each.name: {"tier": each.tier, "en": each.english, "zh": each.chinese} for each in SKILLS
    }
    body = json.dumps(skills, ensure_ascii=False).encode()
    return {**files, "skills.json": (body, "application/json")}


def add_console(app: FastAPI) -> None:
    """Serve the page at `/` and its parts under OPEN_FOLDER."""
    for name, (body, kind) in read_files().items():
        _add_file(app, "/" if name == "index.html" else OPEN_FOLDER + name, body, kind)


def _add_file(app: FastAPI, path: str, body: bytes, kind: str) -> None:
    @app.get(path)
    async def show_file() -> Response:
        return Response(body, headers=HEADERS, media_type=kind)
