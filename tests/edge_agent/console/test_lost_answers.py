"""Answers that a blip of the connection swallowed: nothing is told that is not known, nor done twice."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from edge_agent.agent import MAX_WAITING
from shared.errors import CloudTimeout

QUESTION_S = 100.0
LATER = """window.later = 0;
const now = performance.now.bind(performance);
performance.now = () => now() + later;"""
"""Lets a test turn the page's clock on."""
LOSE = """const really = window.fetch;
window.lose = () => {};
window.fetch = (path, options) => new Promise((resolve, reject) => {
    if (options?.method === 'POST') window.lose = () => reject(new TypeError('Failed to fetch'));
    really(path, options).then(resolve, reject);
});"""
"""Lets a test lose the last POST; Chromium itself sends one again whose connection breaks."""


@pytest.fixture
def world(make_world: Callable[..., Any]) -> Any:
    return make_world(question_s=QUESTION_S)


@pytest.fixture
def page(open_page: Callable[..., Any], world: Any) -> Any:
    return open_page(world.url, script=LATER + LOSE).until_live()


def blip(page: Any, world: Any, *also: Callable[[], Any]) -> None:
    """Cut the page off from what it waits for, do something `also`, and wait until it is back."""
    page.ask("window.lose()")
    # The card's own error may be gone by now: the next state tells that the dog is at it.
    page.until("document.body.innerText.includes('The agent does not answer.')")

    def cut() -> None:
        for each in list(world._ending.server_state.connections):
            each.transport.abort()
        for each in also:
            each()

    with page.tab.expect_request("**/v1/events"):
        world.do(cut)
    page.until_live()


def dance(page: Any, world: Any) -> None:
    world.robot.stays_at = "moving"
    page.say("dance")
    page.until("document.querySelector('#cards [aria-current]')?.textContent === 'moving'")


def pill(page: Any) -> str:
    return str(page.text("#cards > li .pill"))


def test_what_the_dog_is_at_is_followed_on_after_a_blip(page: Any, world: Any) -> None:
    dance(page, world)
    blip(page, world)
    page.until("document.querySelector('#cards > li').dataset.end === 'open'")
    assert pill(page) == "moving"
    assert not page.tab.is_visible("#cards .error")
    assert page.tab.input_value("#text") == "", "sent again, the dog would dance twice"
    world.do(world.robot.go_on)
    page.until("document.querySelector('#cards > li').dataset.end === 'confirmed'")
    assert world.robot.performed == ["Dance"]


def test_an_utterance_still_in_thought_is_followed_on_after_a_blip(page: Any, world: Any) -> None:
    world.cloud.hold = True
    page.say("why is the sky blue?")
    page.until("document.querySelector('#cards .pill').textContent === 'Deciding …'")
    blip(page, world)
    page.until("document.querySelector('#cards > li').dataset.end === 'open'")
    assert pill(page) == "Deciding …"


def test_an_end_that_nobody_told_the_page_is_not_called_a_failure(page: Any, world: Any) -> None:
    dance(page, world)
    blip(page, world, world.robot.go_on)
    assert pill(page) == "no answer"
    assert "No answer came" in page.text("#cards .error")
    assert page.tab.input_value("#text") == ""
    page.tab.click("#language")
    assert pill(page) == "没有回应"
    assert world.robot.performed == ["Dance"]


def test_an_answer_whose_end_is_lost_is_none(page: Any, world: Any) -> None:
    page.tab.route("**/v1/utterances", lambda route: route.fulfill(status=200, body="{"))
    page.say("sit")
    page.until("document.querySelector('#cards > li')?.dataset.end === 'error'")
    assert pill(page) == "no answer"
    assert page.tab.input_value("#text") == ""


def test_words_that_the_agent_refused_are_kept(page: Any, world: Any) -> None:
    world.agent.status.busy_with = MAX_WAITING
    page.say("sit down")
    page.until("document.querySelector('#cards > li')?.dataset.end === 'error'")
    assert pill(page) == "not done"
    assert page.tab.input_value("#text") == "sit down"


@pytest.mark.parametrize("answer", ["yes", "no"])
def test_an_answer_to_the_question_that_is_lost_can_be_given_again(
    page: Any, world: Any, answer: str
) -> None:
    page.say("flip")
    page.until("!document.querySelector('#question').hidden")
    page.ask("window.later = 50000")
    page.until("document.querySelector('#yes').dataset.guarded === 'false'")
    page.tab.route("**/v1/confirmations/*", lambda route: route.abort())
    with page.tab.expect_event("requestfailed"):
        page.tab.click(f"#{answer}")
    page.until("!document.querySelector('#question').hidden")
    assert page.text("#asked") == "Front flip?"
    left = page.tab.get_attribute("#asked-left", "title")
    assert 0 < int(left.split()[0]) <= QUESTION_S - 50, "it has no more time than before"
    page.tab.unroute("**/v1/confirmations/*")
    page.until("document.querySelector('#yes').dataset.guarded === 'false'")
    page.tab.click(f"#{answer}")
    wanted = "confirmed" if answer == "yes" else "refused"
    page.until(f"document.querySelector('#cards > li').dataset.end === '{wanted}'")
    assert world.robot.performed == (["FrontFlip"] if answer == "yes" else [])
    assert not page.tab.is_visible("#question")


def test_a_question_that_the_agent_has_closed_does_not_come_back(page: Any, world: Any) -> None:
    page.say("flip")
    page.until("!document.querySelector('#question').hidden")
    gone = {"status": 404, "json": {"code": "not_found", "message": "no action waits"}}
    page.tab.route("**/v1/confirmations/*", lambda route: route.fulfill(**gone))
    page.tab.click("#no")
    page.until("document.querySelector('#trouble').textContent !== ''")
    assert not page.tab.is_visible("#question")


def leave_unanswered(page: Any, world: Any) -> None:
    world.cloud.error = CloudTimeout("late")
    page.say("why is the sky blue?")
    page.until("document.querySelectorAll('#outbox-list li').length === 1")
    page.tab.click("#outbox-title")


@pytest.mark.parametrize(
    ("refused", "told"),
    [("forgotten elsewhere", "no longer open"), ("busy", "Too much at once")],
)
def test_what_is_asked_again_and_refused_is_told(
    page: Any, world: Any, refused: str, told: str
) -> None:
    leave_unanswered(page, world)
    if refused == "busy":
        world.agent.status.busy_with = MAX_WAITING
    else:
        page.tab.route("**/v1/outbox", lambda route: route.abort())  # the page has not seen it yet
        world.run(world.agent.records.clear())
    page.tab.get_by_label("Ask again: why is the sky blue?").click()
    page.until("!document.querySelector('#outbox-list button:disabled')")
    assert pill(page) == "not done"
    assert told in page.text("#cards .error")
    assert told in page.text("#trouble")


def test_what_is_asked_again_may_take_its_time(page: Any, world: Any) -> None:
    leave_unanswered(page, world)
    world.cloud.error, world.cloud.hold = None, True
    page.tab.get_by_label("Ask again: why is the sky blue?").click()
    page.until("document.querySelector('#outbox-list button:disabled')")
    page.ask("window.later = 30000")
    world.robot.state_now = replace(world.robot.state_now, battery_percent=60.0)
    page.until("document.querySelector('#percent').textContent === '60 %'")
    assert pill(page) == "Deciding …"
