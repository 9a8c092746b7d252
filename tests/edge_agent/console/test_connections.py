"""The agent's page in a real browser: its stop waits for no utterance's connection."""

import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from edge_agent.api import PAGE

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")

BOUND_S = 60.0


class SlowAgent(ThreadingHTTPServer):
    """Answers no utterance and ends no event stream until `ending`; notes stops."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ending = threading.Event()
        self.stops = threading.Semaphore(0)
        self.heard = threading.Semaphore(0)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: SlowAgent

    def log_message(self, *given: Any) -> None: ...

    def do_GET(self) -> None:
        if self.path == "/v1/events":
            self.server.ending.wait(2 * BOUND_S)
        self._answer(PAGE.read_bytes() if self.path == "/" else b"")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/v1/stop":
            self.server.stops.release()
        else:
            self.server.heard.release()
            self.server.ending.wait(2 * BOUND_S)
        self._answer(b"{}")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:  # the page has hung up
            return


@pytest.fixture
def agent() -> Iterator[SlowAgent]:
    agent = SlowAgent()
    thread = threading.Thread(target=agent.serve_forever, daemon=True)
    thread.start()
    yield agent
    agent.ending.set()
    agent.shutdown()
    agent.server_close()


def test_a_stop_by_click_or_key_waits_for_no_utterance(agent: SlowAgent) -> None:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{agent.server_port}/")
        for number in range(8):  # more than a browser has connections for
            page.fill("#text", f"why {number}")
            page.press("#text", "Enter")
            assert agent.heard.acquire(timeout=BOUND_S)
        page.click("#stop")
        assert agent.stops.acquire(timeout=BOUND_S)
        page.keyboard.press("Escape")
        assert agent.stops.acquire(timeout=BOUND_S)
        assert page.text_content("#trouble") == ""
        browser.close()
