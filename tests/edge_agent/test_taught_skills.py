"""A taught skill on the edge: known to every part, past the same gate, and never by the cloud's word."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge_agent.catalogue import describe_skills
from edge_agent.cli import main
from edge_agent.cloud_answer import check_reply
from edge_agent.gate import Gate, GatePolicy, Wish
from edge_agent.mock_robot.sport_api import Posture
from edge_agent.robot.choreography import CHOREOGRAPHIES
from edge_agent.robot.interface import RobotState
from edge_agent.simulation import cloud_environment
from edge_agent.taught_skills import forget, learn, read_utterances
from edge_agent.verdict import ConfirmationNeeded, Permit, Refusal
from shared.errors import CloudProtocolError, ConfigurationError, DataError
from shared.messages import IntentReply, IntentTimings, Usage
from shared.skills import SKILL_NAMES, skill
from tests.edge_agent.conftest import Parts
from tests.edge_agent.robot.virtual_dog import VirtualDog

EXAMPLE = Path("examples/push-ups")
FLIP = """
name = "GrandFlip"
tier = 3
english = "grand flip"
chinese = "大空翻"
say_english = "Stand clear!"
say_chinese = "请让开！"
[movement]
duration_s = 5.0
space_m = 2.0
steps = [{ call = "Stretch" }, { call = "FrontFlip" }]
"""
READY = RobotState(
    connected=True,
    age_s=0.0,
    posture="standing",
    moving=False,
    battery_percent=80.0,
    motor_temperature_c=40.0,
)


@pytest.fixture(autouse=True)
def built_in_catalogue() -> Iterator[None]:
    forget()
    yield
    forget()


@pytest.fixture
def flip(tmp_path: Path) -> Path:
    (tmp_path / "skill.toml").write_text(FLIP, encoding="utf-8")
    return tmp_path


def test_catalogue_and_driver_learn_and_forget_together() -> None:
    learn([EXAMPLE])
    entry = describe_skills()[-1]
    assert [entry["name"], entry["tag"], entry["tier"]] == ["PushUps", "[PushUps()]", 1]
    assert entry["preconditions"]["battery_min_percent"] == GatePolicy().battery_min_percent
    learn([EXAMPLE])  # again is the same
    assert len(SKILL_NAMES) == len(CHOREOGRAPHIES) == 35
    forget()
    assert len(SKILL_NAMES) == len(CHOREOGRAPHIES) == 34
    assert "PushUps" not in CHOREOGRAPHIES


def test_what_people_say_to_it_is_read_where_the_folder_says_so(tmp_path: Path) -> None:
    learn([EXAMPLE])
    said = read_utterances([EXAMPLE, tmp_path])
    assert "push-ups" in " ".join(said)
    assert any("俯卧撑" in text for text in said)
    (tmp_path / "utterances.jsonl").write_text("{}\n")
    with pytest.raises(DataError, match="line 1"):
        read_utterances([tmp_path])


def test_an_unsafe_movement_leaves_nothing_behind(tmp_path: Path) -> None:
    text = (EXAMPLE / "skill.toml").read_text(encoding="utf-8").replace("-0.2", "-0.9")
    (tmp_path / "skill.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"attitude -0\.9"):
        learn([tmp_path])
    assert len(SKILL_NAMES) == len(CHOREOGRAPHIES) == 34


def test_a_taught_flip_is_off_unless_configured_on_and_confirmed_by_its_name(flip: Path) -> None:
    learn([flip])
    wish = Wish(skill("GrandFlip"), "id", "key", 1e12)
    off = Gate(GatePolicy(), lambda: 0.0).decide(wish, READY)
    assert isinstance(off, Refusal)
    assert off.reason == "dangerous_disabled"
    on = Gate(GatePolicy(allow_dangerous=True), lambda: 0.0)
    assert isinstance(on.decide(wish, READY), ConfirmationNeeded)


@pytest.mark.parametrize(
    ("asks", "bare", "named"),
    [("do a grand flip", "yes", "yes, grand flip"), ("来个大空翻", "确认", "确认大空翻")],
)
def test_a_taught_flip_begins_by_the_yes_that_its_question_asks_for(
    flip: Path, asks: str, bare: str, named: str
) -> None:
    async def talk() -> None:
        parts = Parts(GatePolicy(allow_dangerous=True))
        parts.recognizer.knows = {"grand flip": "GrandFlip", "大空翻": "GrandFlip"}
        asked = await parts.agent.handle(asks)
        assert named in asked.say
        unnamed = await parts.agent.handle(bare)
        assert [unnamed.execution.reason, parts.robot.performed] == ["skill_not_named", []]
        done = await parts.agent.handle(named)
        assert [done.route, done.execution.state] == ["edge", "confirmed"]
        assert parts.robot.performed == ["GrandFlip"]

    learn([flip])
    asyncio.run(talk())


def test_a_taught_skill_passes_the_same_gate() -> None:
    learn([EXAMPLE])
    gate = Gate(GatePolicy(), lambda: 0.0)
    wish = Wish(skill("PushUps"), "id", "key", 1e12)
    assert isinstance(gate.decide(wish, READY), Permit)
    for change, code in (
        ({"battery_percent": 10.0}, "battery_low"),
        ({"posture": "fallen"}, "posture_fallen"),
        ({"age_s": 9.0}, "state_stale"),
    ):
        refused = gate.decide(wish, RobotState(**{**vars(READY), **change}))
        assert isinstance(refused, Refusal)
        assert refused.reason == code


def test_the_commands_know_it_by_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "PushUps" not in CliRunner().invoke(main, ["skills"]).output
    monkeypatch.setenv("EDGE_SKILLS", str(EXAMPLE))
    listed = CliRunner().invoke(main, ["skills", "--json"])
    assert [each["name"] for each in json.loads(listed.output)][-1] == "PushUps"
    monkeypatch.setenv("EDGE_SKILLS", "/nowhere")
    refused = CliRunner().invoke(main, ["skills"])
    assert refused.exit_code == 2
    assert "taught skill /nowhere/skill.toml cannot be read" in refused.output


@pytest.mark.parametrize("start", ["standing", "sitting", "lying", "damped"])
def test_the_mock_dog_does_it_from_every_posture(start: Posture) -> None:
    learn([EXAMPLE])
    dog = VirtualDog(start)
    before_s = dog.loop.time()
    done = dog.do(dog.perform("PushUps"))
    assert [done.state, dog.mock.state().posture] == ["confirmed", "standing"], done
    assert not dog.mock.state().moving
    names = dog.names()
    down_and_up = ["StandDown", "StandUp"] * 3
    assert names[-10:] == [*down_and_up, "BalanceStand", "Euler", "StopMove", "BalanceStand"]
    if start == "standing":
        declared_s = CHOREOGRAPHIES["PushUps"].duration_s
        assert dog.loop.time() - before_s == pytest.approx(declared_s, rel=0.25)
    dog.close()


def test_a_step_that_fails_stops_the_dog() -> None:
    learn([EXAMPLE])
    dog = VirtualDog()
    dog.fault("unsupported", api_ids=[dog.ids["StandUp"]])
    done = dog.do(dog.perform("PushUps"))
    assert [done.state, done.reason] == ["failed", "unsupported_by_firmware"]
    assert dog.names() == ["StandDown", "StandUp", "StopMove"]
    dog.close()


def test_a_skill_that_nobody_taught_is_refused() -> None:
    dog = VirtualDog()
    done = dog.do(dog.perform("PushUps"))
    assert [done.state, done.reason, dog.names()] == ["refused", "unknown_skill", []]
    dog.close()


def test_the_cloud_names_only_what_the_edge_was_taught() -> None:
    reply = IntentReply(
        request_id="id",
        model="m",
        say="",
        skills=["PushUps"],
        finish_reason="stop",
        usage=Usage(prompt_tokens=1, completion_tokens=1),
        timings_ms=IntentTimings(queue=0.0, first_token=1.0, total=1.0),
    )
    with pytest.raises(CloudProtocolError, match="not in the catalogue"):
        check_reply(reply, "id")
    learn([EXAMPLE])
    assert check_reply(reply, "id") is reply


def test_an_utterance_of_it_goes_the_whole_way_and_so_does_the_clouds_word() -> None:
    async def talk() -> None:
        parts = Parts()
        parts.recognizer.knows = {"俯卧撑": "PushUps"}
        outcome = await parts.agent.handle("做个俯卧撑")
        assert [outcome.tag, outcome.route] == ["[PushUps()]", "edge"]
        assert outcome.say == skill("PushUps").say_chinese
        parts.cloud.skills = ["PushUps"]
        deferred = await parts.agent.handle("exercise like a soldier")
        assert [deferred.route, deferred.execution.skill] == ["cloud", "PushUps"]
        assert parts.robot.performed == ["PushUps", "PushUps"]

    learn([EXAMPLE])
    asyncio.run(talk())


def test_a_simulation_teaches_its_cloud_what_it_teaches_its_edge() -> None:
    taught = {"EDGE_SKILLS": "bow"}
    assert cloud_environment(taught, "key")["CLOUD_SKILLS"] == "bow"
    own = {**taught, "CLOUD_SKILLS": "nod"}
    assert cloud_environment(own, "key")["CLOUD_SKILLS"] == "nod"
    assert "CLOUD_SKILLS" not in cloud_environment({}, "key")
