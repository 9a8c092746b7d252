"""The table of docs/reliability.md: every cloud fault against every robot fault at every moment.

`python -m tests.faults.reliability` (`make faults`) runs all cells and writes the page and the cells
behind it; `test_reliability.py` runs a part of them and compares.
"""

import asyncio
import datetime
import json
import ssl
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import trustme

from shared.outcome import Outcome
from tests.faults.world import DEADLINE_S, Edge

Moment = Literal["asking", "named", "moving", "stopping"]
MOMENTS: dict[Moment, str] = {
    "asking": "a question, with the robot's fault known for 2.5 s",
    "named": "a question whose answer names Sit; the robot's fault comes 0.1 s after it was asked",
    "moving": "a question 0.5 s into TurnLeft, and the robot's fault with it",
    "stopping": "a question; after 0.1 s the robot's fault and a spoken stop",
}
CELLS = Path(__file__).with_name("reliability.json")
PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
WATCHED_S = 6.0


@dataclass(frozen=True)
class CloudFault:
    """One fault of the way to the cloud; `ends`: what a question comes to, by when at the latest."""

    what: str
    ends: str
    within_s: float

    @property
    def answers(self) -> bool:
        return self.ends == "cloud"


ANSWERED, AWAY = "cloud", "offline cloud_unreachable"
LATE, WRONG, REFUSED = "offline cloud_timeout", "offline cloud_protocol", "offline cloud_refused"

CLOUD_FAULTS: dict[str, CloudFault] = {
    "none": CloudFault("nothing", ANSWERED, 1.0),
    "slow": CloudFault("each piece comes a second late", ANSWERED, 6.0),
    "wrong_time": CloudFault("the cloud's clock says 1970", ANSWERED, 1.0),
    "busy_once": CloudFault("503 with Retry-After 1, then answers", ANSWERED, 2.5),
    "reset_once": CloudFault("the first connection is reset", ANSWERED, 1.5),
    "refused": CloudFault("nobody listens", AWAY, 1.0),
    "closed": CloudFault("closes the connection without a word", AWAY, 1.0),
    "reset": CloudFault("resets every connection", AWAY, 1.0),
    "tls_untrusted": CloudFault("a certificate of an unknown authority", AWAY, 1.0),
    "tls_expired": CloudFault("a certificate that is over by the dog's clock", AWAY, 1.0),
    "tls_early": CloudFault("a certificate that is yet to come by the dog's clock", AWAY, 1.0),
    "tls_plain": CloudFault("no TLS where https is asked for", AWAY, 4.0),
    "tls_stalled": CloudFault("takes the connection, never ends the handshake", AWAY, 4.0),
    "silent": CloudFault("takes the question and says nothing", LATE, 19.6),
    "late": CloudFault("answers a second after the deadline", LATE, 19.6),
    "drip": CloudFault("a byte every 0.1 s", LATE, 19.6),
    "stalled": CloudFault("begins its answer and falls silent", LATE, 19.6),
    "wrong_key": CloudFault("401", REFUSED, 1.0),
    "overloaded": CloudFault("429 with Retry-After 1, again and again", REFUSED, 4.0),
    "failing": CloudFault("500", REFUSED, 1.0),
    "no_http": CloudFault("speaks another protocol", WRONG, 1.0),
    "redirect": CloudFault("307 to elsewhere", WRONG, 1.0),
    "login_page": CloudFault("200 with a page, as a hotel's network", WRONG, 1.0),
    "compressed": CloudFault("an encoding that was not asked for", WRONG, 1.0),
    "cut": CloudFault("closes in the middle of the answer", WRONG, 1.0),
    "broken_off": CloudFault("resets in the middle of the answer", WRONG, 1.0),
    "truncated": CloudFault("ends in order, but before `done`", WRONG, 1.0),
    "garbled": CloudFault("events that are no JSON", WRONG, 1.0),
    "another_id": CloudFault("answers another question", WRONG, 1.0),
    "oversize": CloudFault("half a megabyte of remarks", WRONG, 1.0),
    "unknown_skill": CloudFault("names a skill that there is not", WRONG, 1.0),
    "many_skills": CloudFault("names Sit nine times", WRONG, 1.0),
    "hostile": CloudFault("names FrontFlip, whatever was asked", ANSWERED, 1.0),
}
ROBOT_FAULTS: dict[str, dict[str, Any]] = {
    "none": {},
    "slow": {"delay_s": 3},
    "silent": {},
    "dead": {},
    "restarted": {},
    "rejecting": {},
    "low_battery": {},
    "fallen": {},
    "stale_state": {},
}


@dataclass(frozen=True)
class Cell:
    """What came of one combination.

    question: the question's outcome in words; question_s: how long it took; body: what was done,
    in words; final: the dog at the end; wrong: what must not have happened.
    """

    question: str
    question_s: float
    body: str
    final: str
    wrong: tuple[str, ...] = ()


@cache
def _contexts(fault: str) -> tuple[ssl.SSLContext | None, ssl.SSLContext]:
    authority, other = trustme.CA(), trustme.CA()
    day, now = datetime.timedelta(days=1), datetime.datetime.now(datetime.timezone.utc)
    dates: dict[str, Any] = {
        "tls_expired": {"not_before": now - 9 * day, "not_after": now - day},
        "tls_early": {"not_before": now + day, "not_after": now + 9 * day},
    }
    certificate = authority.issue_cert("cloud.example", **dates.get(fault, {}))
    serves = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(serves)
    trusts = ssl.create_default_context()
    (other if fault == "tls_untrusted" else authority).configure_trust(trusts)
    return (None if fault in ("tls_plain", "tls_stalled") else serves), trusts


def try_cell(cloud: str, robot: str, moment: Moment) -> Cell:
    """Run one combination in virtual time."""
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        tls = _contexts(cloud) if cloud.startswith("tls_") else None
        edge = Edge(Path(folder), listening=cloud != "refused", tls=tls)
        if cloud == "tls_stalled":
            edge.proxy.fault = "silent"
        elif cloud != "refused" and tls is None:
            edge.proxy.fault = cloud
        if moment == "named":
            edge.cloud.skills = ["Sit"]
        try:
            return _try(edge, cloud, robot, moment)
        finally:
            edge.close()


def _try(edge: Edge, cloud: str, robot: str, moment: Moment) -> Cell:
    parameters = ROBOT_FAULTS[robot]

    def break_robot() -> None:
        if robot != "none":
            edge.dog.fault(robot, **parameters)

    async def ask() -> tuple[Outcome, float]:
        begun = edge.clock()
        outcome = await edge.agent.handle("entertain us")
        return outcome, edge.clock() - begun

    async def meet() -> tuple[Outcome, float, Outcome | None]:
        if moment == "asking":
            break_robot()
            await asyncio.sleep(2.5)
            return *(await ask()), None
        turning = None
        if moment == "moving":
            turning = asyncio.ensure_future(edge.agent.handle("turn left"))
            await asyncio.sleep(0.5)
        asking = asyncio.ensure_future(ask())
        await asyncio.sleep(0.0 if moment == "moving" else 0.1)
        break_robot()
        stop = await edge.agent.handle("stop") if moment == "stopping" else None
        outcome, took_s = await asking
        return outcome, took_s, await turning if turning else stop

    outcome, took_s, other = edge.do(meet())
    rested_s = _rest(edge)
    state = edge.dog.mock.state()
    words = f"{outcome.route} {outcome.execution.reason or ''}".strip()
    if moment == "stopping" and outcome.execution.reason == "stopped":
        words = "stopped"
    elif outcome.route == "cloud":
        words = "cloud"
    done = other or outcome
    body = _describe(done) if done.execution.skill else "nothing"
    final = state.posture + (" and moving" if state.moving else "")
    wrong = _judge(edge, cloud, moment, outcome, took_s, words, rested_s)
    return Cell(words, round(took_s, 1), body, final, tuple(wrong))


def _describe(outcome: Outcome) -> str:
    done = outcome.execution
    return f"{done.skill} {done.state}" + (f" {done.reason}" if done.reason else "")


def _rest(edge: Edge) -> float:
    """Watch the dog for a while and return how long after the outcomes it last moved."""

    async def watch() -> float:
        begun, moved_s = edge.clock(), 0.0
        while edge.clock() - begun < WATCHED_S:
            await asyncio.sleep(0.1)
            edge.dog.robot.state()  # as the driver's thread reads it
            if edge.dog.mock.state().moving:
                moved_s = edge.clock() - begun
        return moved_s

    return float(edge.do(watch()))


def _judge(
    edge: Edge,
    cloud: str,
    moment: Moment,
    outcome: Outcome,
    took_s: float,
    words: str,
    rested_s: float,
) -> Iterable[str]:
    """Say what must not have come of it, whatever the page says."""
    fault = CLOUD_FAULTS[cloud]
    body_s = 12.0 if moment == "named" and fault.answers else 0.0
    if took_s > fault.within_s + body_s or took_s > DEADLINE_S + body_s:
        yield f"the question took {took_s:.1f} s"
    expected = "stopped" if moment == "stopping" and fault.within_s > 0.15 else fault.ends
    if words not in (expected, fault.ends):
        yield f"the question came to {words}, expected {expected}"
    if rested_s > 4.0:
        yield f"the dog still moved {rested_s:.1f} s later"
    names = {call.name for call in edge.dog.mock.calls()}
    allowed = {"StopMove", "BalanceStand", "StandUp", "RecoveryStand"}
    if moment == "moving":
        allowed.add("Move")
    if moment == "named" and cloud != "hostile" and fault.answers:
        allowed.add("Sit")
    if names - allowed:
        yield f"nobody asked for {sorted(names - allowed)}"
    if outcome.route == "offline":
        kept = [each.request_id for each in edge.do(edge.agent.records.unanswered())]
        if kept != [outcome.request_id] or not outcome.say:
            yield "it was not kept, or nothing was said"


def key_of(cloud: str, robot: str, moment: str) -> str:
    """Return the name of a cell."""
    return f"{cloud} / {robot} / {moment}"


def try_all() -> dict[str, Cell]:
    """Run every cell."""
    return {
        key_of(cloud, robot, moment): try_cell(cloud, robot, moment)
        for cloud in CLOUD_FAULTS
        for robot in ROBOT_FAULTS
        for moment in MOMENTS
    }


def read_cells(path: Path = CELLS) -> dict[str, Cell]:
    """Return the cells of the last run."""
    raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return {key: Cell(**{**value, "wrong": tuple(value["wrong"])}) for key, value in raw.items()}


def write_cells(cells: Mapping[str, Cell], path: Path = CELLS) -> None:
    lines = ",\n".join(
        f"{json.dumps(key)}: {json.dumps(asdict(cell))}" for key, cell in cells.items()
    )
    path.write_text("{\n" + lines + "\n}\n", encoding="utf-8")


def main() -> None:
    from tests.faults.reliability_page import render

    cells = try_all()
    write_cells(cells)
    PAGE.write_text(render(cells), encoding="utf-8")
    wrong = {key: cell.wrong for key, cell in cells.items() if cell.wrong}
    print(f"{len(cells)} cells, {len(wrong)} of them wrong; {PAGE} is written")
    for key, what in wrong.items():
        print(f"  {key}: {'; '.join(what)}")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
