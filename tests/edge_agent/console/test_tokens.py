"""A pairing token that no header can carry is a wrong one: both pages ask again, and neither is locked out."""

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
import uvicorn
from pydantic import SecretStr

from edge_agent.mock_robot.dog import MockDog
from edge_agent.mock_robot.server import ViewPlace, make_app

TOKEN = "a pairing token"
UNSENDABLE = ["我的机器狗密码一二三", "two\nlines of it"]
IS_UNPAIRED = "document.body.dataset.link === 'unpaired'"


class StillDog(MockDog):
    """A mock dog without a network."""

    domain, interface = 1, "lo"


@pytest.fixture
def mock_url() -> Iterator[str]:
    app = make_app(StillDog(), ViewPlace(pairing_token=SecretStr(TOKEN)))  # type: ignore[arg-type]
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    server.should_exit = True
    thread.join(timeout=10.0)


@pytest.mark.parametrize("token", UNSENDABLE)
def test_a_link_with_such_a_token_brings_the_form(
    open_page: Callable[..., Any], make_world: Callable[..., Any], token: str
) -> None:
    page = open_page(f"{make_world(token=TOKEN).url}#token={quote(token)}")
    page.until(IS_UNPAIRED)
    assert page.text("#pair-wrong") == "That token is not right."
    page.tab.fill("#token", TOKEN)
    page.tab.press("#token", "Enter")
    page.until_live()


def test_such_a_token_that_is_remembered_locks_nobody_out(
    open_page: Callable[..., Any], make_world: Callable[..., Any]
) -> None:
    page = open_page(make_world(token=TOKEN).url)
    page.until(IS_UNPAIRED)
    page.tab.fill("#token", UNSENDABLE[0])
    page.tab.check("#keep")
    page.tab.press("#token", "Enter")
    page.until("document.querySelector('#pair-wrong').textContent !== ''")
    page.tab.reload()
    page.until(IS_UNPAIRED)
    page.tab.keyboard.press("Escape")
    page.until("document.querySelector('#trouble').textContent.includes('did not get through')")
    page.tab.fill("#token", TOKEN)
    page.tab.press("#token", "Enter")
    page.until_live()


def test_an_agent_without_a_token_is_reached_all_the_same(
    open_page: Callable[..., Any], make_world: Callable[..., Any]
) -> None:
    world = make_world()
    page = open_page(f"{world.url}#token={quote(UNSENDABLE[0])}").until_live()
    page.tab.click("#stop")
    assert world.robot.stops.acquire(timeout=60.0)


def test_the_mocks_page_asks_again(open_page: Callable[..., Any], mock_url: str) -> None:
    page = open_page("about:blank")
    answers = [UNSENDABLE[0], TOKEN]
    page.tab.on("dialog", lambda dialog: dialog.accept(answers.pop(0)))
    page.tab.goto(f"{mock_url}?view=text")
    page.until("window.dog?.state")
    assert answers == []
