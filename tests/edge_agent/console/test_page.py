"""The console in a real browser: what it shows, and that a stop is always in reach."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from shared.errors import CloudTimeout
from tests.edge_agent.console.conftest import HELD, HOLD

BOUND_S = 60.0
SIZES = {
    "phone": {"width": 390, "height": 844},
    "small phone": {"width": 360, "height": 560},
    "keyboard up": {"width": 390, "height": 430},
    "on its side": {"width": 844, "height": 390},
    "desktop": {"width": 1280, "height": 800},
}
NAMELESS = """[...document.querySelectorAll('button, input, summary, [role=img]')]
    .filter((e) => e.checkVisibility())
    .filter((e) => !(e.getAttribute('aria-label') || e.innerText.trim() || e.labels?.length))
    .map((e) => e.outerHTML)"""


@pytest.fixture
def world(make_world: Callable[..., Any]) -> Any:
    return make_world(question_s=100.0)


@pytest.fixture
def page(open_page: Callable[..., Any], world: Any) -> Any:
    return open_page(world.url).until_live()


def end(state: str) -> str:
    """The expression that the newest card has ended so."""
    return f"document.querySelector('#cards > li')?.dataset.end === '{state}'"


# --- what it shows -------------------------------------------------------------------------------


def test_a_written_wish_and_all_that_came_of_it(page: Any, world: Any) -> None:
    page.say("sit down please")
    page.until(end("confirmed"))
    card = page.text("#cards > li")
    for part in ("sit down please", "confirmed", "[Sit()]", "decided on the dog", "sure 90 %"):
        assert part in card
    assert page.text("#cards .say").endswith("Sitting down.")
    assert page.ask("document.querySelectorAll('.steps .reached').length") == 4
    assert "until the robot acknowledged" in page.text(".times")
    assert page.ask("document.querySelectorAll('.bar > *').length") >= 1
    assert world.robot.performed == ["Sit"]
    assert page.tab.input_value("#text") == ""


def test_the_robots_states_are_shown_as_they_come(
    open_page: Callable[..., Any], world: Any
) -> None:
    page = open_page(world.url).until_live()
    for place, step in enumerate(("sent", "accepted", "moving")):
        world.robot.stays_at = step
        page.say("dance")
        page.until(
            "document.querySelector('#cards > li [aria-current]')?.textContent === " + f"'{step}'"
        )
        assert page.ask("document.querySelectorAll('li:first-child .reached').length") == place + 1
        page.until("document.querySelector('#dog').dataset.moving === 'true'")
        world.do(world.robot.go_on)
        page.until(end("confirmed"))
        world.do(world.robot._going_on.clear)


def test_another_persons_utterance_is_shown_too(page: Any, world: Any) -> None:
    world.run(world.agent.handle("坐下"))
    page.until(end("confirmed"))
    assert "坐下" in page.text("#cards > li")
    assert page.ask("document.querySelector('.heard').lang") == "zh-CN"


def test_what_the_cloud_answers_and_a_cloud_that_is_away(page: Any, world: Any) -> None:
    page.say("why is the sky blue?")
    page.until(end("none"))
    assert "It is sunny." in page.text("#cards > li .say")
    assert "asked the cloud" in page.text("#cards > li .decision")
    assert page.ask("document.querySelector('.bar .cloud_first_token') !== null")


def test_a_question_without_an_answer_is_not_called_answered(page: Any, world: Any) -> None:
    world.cloud.error = CloudTimeout("late")
    page.say("why is the sky blue?")
    page.until("document.querySelector('#cards .say')")
    assert "cloud away" in page.text("#cards .decision")
    assert page.text("#cards .pill") == "no answer"
    amber = page.ask("getComputedStyle(document.querySelector('#cards .pill')).color")
    page.say("flip")  # asks first, in amber, too
    page.until(end("needs_confirmation"))
    assert page.ask("getComputedStyle(document.querySelector('#cards .pill')).color") == amber
    page.tab.click("#language")
    assert page.text("#cards > li:nth-child(2) .pill") == "没有回应"


def test_what_got_no_answer_is_shown_asked_again_and_forgotten(page: Any, world: Any) -> None:
    world.cloud.error = CloudTimeout("late")
    assert not page.tab.is_visible("#outbox")
    for number, text in enumerate(("why is the sky blue?", "为什么天是蓝的", "<b>why</b>"), 1):
        page.say(text)
        page.until(f"document.querySelectorAll('#outbox-list li').length === {number}")
    page.tab.click("#outbox-title")
    assert page.text("#outbox-title") == "Not answered yet (3)"
    assert [each.inner_text() for each in page.tab.locator("#outbox-list .heard").all()] == [
        "<b>why</b>",
        "为什么天是蓝的",
        "why is the sky blue?",
    ]
    page.tab.get_by_label("Ask again: why is the sky blue?").click()
    page.until("!document.querySelector('#outbox-list button:disabled')")
    assert len(page.tab.locator("#outbox-list li").all()) == 3, "still no answer, still kept"
    world.cloud.error = None
    page.tab.get_by_label("Ask again: why is the sky blue?").click()
    page.until("document.querySelectorAll('#outbox-list li').length === 2")
    assert "It is sunny." in page.text("#cards")
    page.tab.get_by_label("Forget: <b>why</b>").click()
    page.until("document.querySelectorAll('#outbox-list li').length === 1")
    page.tab.click("#forget-all")
    page.until("document.querySelector('#outbox').hidden")
    assert world.run(world.agent.records.unanswered()) == []


def test_robot_battery_and_posture(page: Any, world: Any) -> None:
    assert page.text("#percent") == "80 %"
    assert "standing" in page.text("#posture").lower()
    world.robot.state_now = replace(
        world.robot.state_now, posture="fallen", battery_percent=15.0, moving=True
    )
    page.until("document.querySelector('#percent').textContent === '15 %'")
    assert "fallen" in page.text("#posture").lower()
    assert page.ask("document.querySelector('#battery').dataset.level") == "low"
    assert (
        page.ask("document.querySelector('#battery').getAttribute('aria-label')") == "Battery 15 %"
    )
    world.robot.state_now = replace(world.robot.state_now, connected=False, age_s=None)
    page.until("document.querySelector('#posture').textContent.includes('no connection')")
    assert page.text("#percent") == "–"


def test_markup_in_words_is_only_text(page: Any, world: Any) -> None:
    page.say("<img src=x onerror=alert(1)><b>sit</b>")
    page.until(end("confirmed"))
    assert page.text("#cards .heard") == "<img src=x onerror=alert(1)><b>sit</b>"


# --- the stop ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "way", ["click", "Escape", "Escape in the text box", "Enter on the button"]
)
def test_a_stop_while_the_dog_moves(page: Any, world: Any, way: str) -> None:
    world.robot.stays_at = "moving"
    page.say("dance")
    page.until("document.querySelector('#cards [aria-current]')?.textContent === 'moving'")
    page.keep_words("#stop-word")
    if way == "click":
        page.tab.click("#stop")
    elif way == "Enter on the button":
        page.tab.focus("#stop")
        page.tab.keyboard.press("Enter")
    else:
        if way == "Escape":
            page.ask("document.activeElement.blur()")
        page.tab.keyboard.press("Escape")
    assert world.robot.stops.acquire(timeout=BOUND_S)
    page.until(end("preempted"))
    page.until("told.includes('Stopped')")
    page.until("document.querySelector('#announcement').textContent !== ''")
    assert page.text("#trouble") == ""
    assert not world.robot.stops.acquire(blocking=False)  # one press is one stop


def stop_a_dog_that_goes_on(page: Any, world: Any) -> None:
    """Press the stop, and wait until the page has its answer and a later state, of a dog that still moves."""
    page.ask(HOLD)
    world.robot.state_now = replace(world.robot.state_now, moving=True)
    page.until("document.querySelector('#dog').dataset.moving === 'true'")
    with page.tab.expect_response("**/v1/stop"):
        page.tab.click("#stop")
    world.robot.state_now = replace(world.robot.state_now, battery_percent=60.0)
    page.until("document.querySelector('#percent').textContent === '60 %'")


def test_a_stop_is_not_told_as_done_while_the_dog_still_moves(
    open_page: Callable[..., Any], world: Any
) -> None:
    page = open_page(world.url, script=HELD).until_live()
    stop_a_dog_that_goes_on(page, world)
    assert page.text("#stop-word") == "Stopping …"
    assert page.text("#announcement") == ""
    page.tab.click("#stop")  # it can be pressed all the while
    for _ in range(2):
        assert world.robot.stops.acquire(timeout=BOUND_S)
    world.robot.state_now = replace(world.robot.state_now, moving=False)
    page.until("document.querySelector('#announcement').textContent !== ''")
    assert page.text("#announcement").strip() == "Stopped"
    assert page.text("#trouble") == ""


def test_a_state_of_before_the_stop_shows_no_rest(
    open_page: Callable[..., Any], world: Any
) -> None:
    page = open_page(world.url, script=HELD).until_live()
    page.ask(HOLD)
    world.robot.state_now = replace(world.robot.state_now, age_s=0.5)
    page.tab.click("#stop")
    for _ in range(2):
        page.tab.wait_for_event("response", lambda each: each.url.endswith("/v1/state"))
    assert page.text("#stop-word") == "Stopping …"
    page.ask("window.held += 4000")  # the next look finds that the state is younger than the answer
    page.until("document.querySelector('#announcement').textContent.includes('Stopped')")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_dog_that_does_not_come_to_rest_is_told(
    open_page: Callable[..., Any], world: Any, lang: str
) -> None:
    page = open_page(world.url, script=HELD, locale=lang).until_live()
    stop_a_dog_that_goes_on(page, world)
    assert page.text("#trouble") == ""
    page.ask("window.held += 60000")
    page.until("document.querySelector('#trouble').textContent !== ''")
    assert ("Look at it" if lang == "en" else "请看狗") in page.text("#trouble")
    assert page.text("#stop-word") == ("STOP" if lang == "en" else "停 下")
    assert page.text("#announcement") == ""
    page.tab.click("#stop")
    page.until("document.querySelector('#trouble').textContent === ''")


def test_a_stop_begins_as_the_finger_lands(page: Any, world: Any) -> None:
    page.tab.mouse.move(*page.middle_of("#stop"))
    page.tab.mouse.down()
    assert world.robot.stops.acquire(timeout=BOUND_S)
    page.tab.mouse.up()


def test_a_stop_waits_for_no_utterances_connection(page: Any, world: Any) -> None:
    world.cloud.hold = True
    for number in range(8):  # more than a browser has connections for
        page.say(f"why {number}")
        page.until(f"document.querySelectorAll('#cards > li').length === {number + 1}")
    page.tab.click("#stop")
    assert world.robot.stops.acquire(timeout=BOUND_S)
    page.tab.keyboard.press("Escape")
    assert world.robot.stops.acquire(timeout=BOUND_S)
    assert page.text("#trouble") == ""


def test_a_stop_that_the_dog_does_not_confirm_is_told(page: Any, world: Any) -> None:
    world.robot.stop_code = 3104
    page.tab.click("#stop")
    page.until("document.querySelector('#trouble').textContent.includes('remote control')")


@pytest.mark.parametrize("size", SIZES)
def test_the_stop_is_in_reach_whatever_is_open(
    open_page: Callable[..., Any], world: Any, size: str
) -> None:
    page = open_page(world.url, viewport=SIZES[size], has_touch=True).until_live()
    world.robot.stop_code = 3104
    page.tab.click("#stop")
    page.until("document.querySelector('#trouble').textContent !== ''")
    for _ in range(3):
        world.run(world.agent.handle("sit"))
    world.run(world.agent.handle("flip"))
    page.until("!document.querySelector('#question').hidden")
    for selector in ("#stop", "#yes", "#no", "#talk"):
        at_its_place = page.ask(
            f"""(() => {{ const box = document.querySelector('{selector}').getBoundingClientRect();
            const found = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
            return box.top >= 0 && box.left >= 0 && box.bottom <= innerHeight && box.right <= innerWidth
                && box.height >= 44 && found?.closest('{selector}') !== null; }})()"""
        )
        assert at_its_place, selector
    assert page.ask("document.documentElement.scrollWidth <= window.innerWidth")
    small = page.ask(
        "[...document.querySelectorAll('button, input[type=text], summary')].filter((e) => e.checkVisibility())"
        ".filter((e) => { const box = e.getBoundingClientRect(); return box.width < 43.9 || box.height < 43.9; })"
        ".map((e) => e.outerHTML)"
    )
    assert small == []


# --- the question --------------------------------------------------------------------------------


def test_a_dangerous_skill_waits_for_a_yes(open_page: Callable[..., Any], world: Any) -> None:
    page = open_page(world.url, script=HELD).until_live()
    page.ask(HOLD)
    page.say("flip")
    page.until("!document.querySelector('#question').hidden")
    assert page.text("#asked") == "Front flip?"
    assert page.text("#yes") == "Yes, front flip"
    assert page.ask("document.activeElement.id") == "no"  # the safe answer has the focus
    assert "Front flip?" in page.text("#announcement")
    page.ask("document.querySelector('#yes').click()")  # a tap that was on its way elsewhere
    assert page.tab.is_visible("#question")
    page.ask("window.held = null")
    page.until("document.querySelector('#yes').dataset.guarded === 'false'")
    assert world.robot.performed == []
    world.robot.stays_at = "moving"
    page.tab.click("#yes")
    page.until("document.querySelector('#cards [aria-current]')?.textContent === 'moving'")
    assert page.ask("document.activeElement.id") == "text"  # where it was before
    world.do(world.robot.go_on)
    page.until(end("confirmed"))
    assert world.robot.performed == ["FrontFlip"]
    assert not page.tab.is_visible("#question")


@pytest.mark.parametrize("way", ["no", "Escape"])
def test_a_dangerous_skill_that_is_not_wanted(page: Any, world: Any, way: str) -> None:
    page.say("flip")
    page.until("!document.querySelector('#question').hidden")
    if way == "no":
        page.tab.click("#no")
        page.until(end("refused"))
        assert "confirmation_declined" in page.text("#cards .say")
    else:
        page.tab.keyboard.press("Escape")
        assert world.robot.stops.acquire(timeout=BOUND_S)
    page.until("document.querySelector('#question').hidden")
    assert world.robot.performed == []


def test_a_page_that_comes_later_counts_what_the_question_has_left(
    open_page: Callable[..., Any], make_world: Callable[..., Any]
) -> None:
    world = make_world(question_s=1000.0)
    world.run(world.agent.handle("flip"))
    world.clock.now += 600
    page = open_page(world.url)
    page.until("!document.querySelector('#question').hidden")
    seconds = int(page.tab.get_attribute("#asked-left", "title").split()[0])
    assert 0 < seconds <= 400
    share = page.ask("parseFloat(document.querySelector('#asked-left span').style.width)")
    assert 0 < share <= 40


# --- the connection ------------------------------------------------------------------------------


def test_a_lost_connection_is_told_and_found_again(
    open_page: Callable[..., Any], world: Any, make_world: Callable[..., Any]
) -> None:
    page = open_page(world.url, script=HELD).until_live()
    world.close()
    page.until("document.body.dataset.link === 'lost'")
    assert page.text("#link") == "no connection"
    assert "remote control" in page.text("#trouble")
    page.ask(HOLD)  # it gives up after ten seconds
    page.tab.click("#stop")
    page.until("document.querySelector('#trouble').textContent.includes('did not get through')")
    back = make_world(port=world.port)  # the stop is sent again until it gets through
    assert back.robot.stops.acquire(timeout=BOUND_S)
    page.until("document.querySelector('#trouble').textContent === ''")
    page.until_live()


def test_the_pairing_token_is_asked_for(
    open_page: Callable[..., Any], make_world: Callable[..., Any]
) -> None:
    world = make_world(token="a pairing token")
    page = open_page(world.url)
    page.until("document.body.dataset.link === 'unpaired'")
    page.until("document.activeElement.id === 'token'")
    assert page.text("#pair-wrong") == ""
    page.tab.fill("#token", "something else")
    page.tab.press("#token", "Enter")
    page.until("document.querySelector('#pair-wrong').textContent !== ''")
    page.tab.fill("#token", "a pairing token")
    page.tab.check("#keep")
    page.tab.click("#pair")
    page.until_live()
    assert not page.tab.is_visible("#pairing")
    assert page.ask("sessionStorage.token ?? null") is None  # remembered beyond the tab instead
    page.say("sit")
    page.until(end("confirmed"))
    page.tab.reload()
    page.until_live()


def test_a_link_may_carry_the_token(
    open_page: Callable[..., Any], make_world: Callable[..., Any]
) -> None:
    world = make_world(token="a pairing token")
    page = open_page(f"{world.url}#token=a%20pairing%20token").until_live()
    assert page.ask("location.href") == world.url
    page.tab.click("#stop")
    assert world.robot.stops.acquire(timeout=BOUND_S)


def test_a_stop_without_a_token_says_that_it_failed(
    open_page: Callable[..., Any], make_world: Callable[..., Any]
) -> None:
    page = open_page(make_world(token="a pairing token").url)
    page.until("document.body.dataset.link === 'unpaired'")
    page.tab.keyboard.press("Escape")
    page.until("document.querySelector('#trouble').textContent.includes('did not get through')")


SKILLS_ARE_SLOW = """const really = window.fetch;
window.fetch = async (path, options) => {
    if (String(path).includes('skills.json')) await new Promise((go) => (window.letSkillsCome = go));
    return really(path, options);
};"""


def test_a_failed_stop_stays_told_until_a_stop_gets_through(
    open_page: Callable[..., Any], make_world: Callable[..., Any]
) -> None:
    page = open_page(make_world(token="a pairing token").url, script=SKILLS_ARE_SLOW)
    page.until("document.body.dataset.link === 'unpaired' && window.letSkillsCome")
    page.tab.keyboard.press("Escape")
    page.until("document.querySelector('#trouble').textContent.includes('did not get through')")
    page.ask("window.letSkillsCome()")
    page.until("document.querySelectorAll('#skill-list button').length === 34")
    assert "did not get through" in page.text("#trouble")
    page.tab.click("#language")
    assert "没有送达" in page.text("#trouble")
    page.tab.fill("#token", "a pairing token")
    page.tab.press("#token", "Enter")
    page.until_live()
    assert "没有送达" in page.text("#trouble")
    page.tab.click("#stop")
    page.until("document.querySelector('#trouble').textContent === ''")


# --- for everybody -------------------------------------------------------------------------------


def test_everything_has_a_name_in_both_languages(page: Any, world: Any) -> None:
    page.say("flip")
    page.until("!document.querySelector('#question').hidden")
    page.tab.click("#skills summary")
    page.until("document.querySelectorAll('#skill-list button').length === 34")
    assert page.ask(NAMELESS) == []
    page.tab.click("#language")
    assert page.ask("document.documentElement.lang") == "zh-CN"
    assert page.ask(NAMELESS) == []
    assert page.text("#asked") == "要前空翻吗？"
    assert page.text("#talk-word") == "按住说话"
    labels = page.ask(
        "[...document.querySelectorAll('button, h2, h3, .pill, .route, #posture, #remarks, #link')]"
        ".filter((e) => e.checkVisibility()).map((e) => e.getAttribute('aria-label') || e.innerText)"
    )
    assert len(labels) > 40
    assert [each for each in labels if not any("一" <= sign <= "鿿" for sign in each)] == []
    page.tab.reload()
    page.until_live()
    assert page.ask("document.documentElement.lang") == "zh-CN"  # remembered


def test_both_languages_have_the_same_words(page: Any) -> None:
    different = page.ask(
        """import('/console/words.js').then(({ WORDS }) => {
            const keys = (value, path) => value && typeof value === 'object' && !Array.isArray(value)
                ? Object.entries(value).flatMap(([key, each]) => keys(each, `${path}.${key}`)) : [path];
            const [en, zh] = [keys(WORDS.en, ''), keys(WORDS.zh, '')];
            return [...en.filter((key) => !zh.includes(key)), ...zh.filter((key) => !en.includes(key))];
        })"""
    )
    assert different == []


def test_live_regions_tell_a_screen_reader(page: Any, world: Any) -> None:
    assert page.ask("document.querySelector('#trouble').getAttribute('role')") == "alert"
    assert page.ask("document.querySelector('#link').getAttribute('role')") == "status"
    assert page.ask("document.querySelector('#question').getAttribute('role')") == "alertdialog"
    assert page.ask("document.querySelector('#announcement').getAttribute('aria-live')") == "polite"
    page.say("sit down")
    page.until("document.querySelector('#announcement').textContent.includes('confirmed')")
    page.say("dance")
    page.until("document.querySelector('#announcement').textContent.includes('dance')")
    told = page.ask("[...document.querySelectorAll('#announcement p')].map((e) => e.textContent)")
    # an outcome comes as an answer and as an event; it is read out once
    assert told == ["sit, confirmed Sitting down.", "dance, confirmed Let's dance!"]


def test_the_keyboard_reaches_everything(page: Any, world: Any) -> None:
    world.run(world.agent.handle("sit"))
    page.until(end("confirmed"))
    reached = []
    for _ in range(8):
        page.tab.keyboard.press("Tab")
        reached.append(page.ask("document.activeElement.id || document.activeElement.tagName"))
    assert reached[:5] == ["language", "stop", "talk", "text", "send"]
    assert "SUMMARY" in reached


def test_a_suggestion_moves_nothing_before_it_is_sent(page: Any, world: Any) -> None:
    page.tab.click("#examples button")
    assert page.tab.input_value("#text") == "sit down please"
    assert world.robot.performed == []
    page.tab.click("#send")
    page.until(end("confirmed"))


def test_nothing_comes_from_elsewhere(open_page: Callable[..., Any], world: Any) -> None:
    page = open_page("about:blank")
    asked: list[str] = []
    page.tab.on("request", lambda request: asked.append(request.url))
    page.tab.goto(world.url)
    page.until_live()
    assert len(asked) > 10
    assert [each for each in asked if not each.startswith(world.url)] == []
