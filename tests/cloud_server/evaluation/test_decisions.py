"""What systems do with a row, the cloud's rule on a skill included."""

from typing import Any

import pytest

from cloud_server.evaluation.decisions import (
    Decision,
    best_tag,
    decide_answering,
    decide_deployed,
    decide_detached,
    decide_edge,
    find_invented,
)
from cloud_server.training.data import Row

THRESHOLDS = {"0": 0.5, "1": 0.8, "2": 0.9, "3": 0.99}


def row(text: str, label: str = "REMOTE", lang: Any = "en") -> Row:
    return Row(
        id="a", text=text, lang=lang, label=label, source="s", license="MIT", synthetic=False
    )


@pytest.mark.parametrize(
    ("posterior", "label"),
    [
        ({"[Sit()]": 0.85, "[REMOTE]": 0.15}, "Sit"),
        ({"[Sit()]": 0.75, "[REMOTE]": 0.25}, "REMOTE"),
        ({"[FrontFlip()]": 0.98, "[REMOTE]": 0.02}, "REMOTE"),
        ({"[FrontFlip()]": 0.99, "[REMOTE]": 0.01}, "FrontFlip"),
        ({"[REMOTE]": 0.6, "[StopMove()]": 0.4}, "REMOTE"),
        ({}, "REMOTE"),
    ],
)
def test_a_detached_shadow_acts_where_its_tiers_threshold_is_cleared(
    posterior: dict[str, float], label: str
) -> None:
    decision = decide_detached({"posterior": posterior}, THRESHOLDS)
    skills = [value for tag, value in posterior.items() if tag != "[REMOTE]"]
    assert (decision.label, decision.skill_probability) == (label, max(skills, default=0.0))
    assert decision.acts is (label != "REMOTE")


def test_the_edges_decision_is_taken_as_it_was_made() -> None:
    by_reflex = decide_edge({"label": "StopMove", "reflex": True, "posterior": {}})
    assert by_reflex == Decision("StopMove", 1.0, by="reflex")
    assert decide_edge({"label": "REMOTE", "posterior": {"[Sit()]": 0.7}}).skill_probability == 0.7


@pytest.mark.parametrize(
    ("joint", "sure"),
    [
        ({"[Sit()]": 0.4, "[REMOTE]": 0.6}, 0.4),
        ({"[Bark()]": 0.7, "[Sit()]": 0.3}, 0.7),
        ({"[REMOTE]": 0.9995}, 0.0),
    ],
)
def test_both_readers_are_heard_in_how_sure_the_edge_is(
    joint: dict[str, float], sure: float
) -> None:
    prediction = {"label": "REMOTE", "posterior": {"[Sit()]": 0.9}, "joint": joint}
    assert decide_edge(prediction).skill_probability == sure
    best, _ = best_tag(prediction, row("sit"))
    assert best == max(joint.values())


def test_an_answering_model_does_what_its_answer_begins_with() -> None:
    sit = decide_answering({"said": "[Sit()] Sitting.", "probability": 0.9, "tag_probability": 0.9})
    assert (sit.label, sit.said, sit.skill_probability) == ("Sit", "Sitting.", 0.9)
    weather = decide_answering({"said": "[CheckWeather()] Checking.", "tag_probability": 0.75})
    assert (weather.label, weather.said) == ("REMOTE", "Checking.")
    assert (weather.invented, weather.skill_probability) == (("CheckWeather",), 0.75)
    assert decide_answering({"said": "[REMOTE] Hm.", "probability": 1.0}).label == "REMOTE"
    unsure = decide_answering({"said": "The sea.", "probability": 0.2, "tag_probability": 0.01})
    assert unsure.skill_probability == 0.01  # doubt about the first word is none about the skill
    assert decide_answering({"said": "Hm.", "probability": 0.2}).skill_probability is None


def test_invented_skills_are_found_anywhere_and_real_ones_are_not() -> None:
    assert find_invented("Sure! [DrawPlane()] and [Fly] and [Sit()], [REMOTE], see [1].") == (
        "DrawPlane",
        "Fly",
    )


def deployed(text: str, edge: dict[str, Any], said: str) -> Decision:
    return decide_deployed(row(text), edge, {"said": said, "probability": 0.9})


def test_the_edge_acts_alone_where_it_is_sure() -> None:
    edge = {"label": "Sit", "posterior": {"[Sit()]": 0.95}}
    assert deployed("sit", edge, "[Bark()] Woof!") == Decision("Sit", 0.95, by="edge")


def test_a_skill_of_the_clouds_passes_only_where_the_edge_holds_it_possible() -> None:
    edge = {"label": "REMOTE", "posterior": {"[REMOTE]": 0.3, "[Sit()]": 0.6, "[Bark()]": 0.1}}
    sit = deployed("be seated?", edge, "[Sit()] Sitting down.")
    assert (sit.label, sit.said, sit.by) == ("Sit", "Sitting down.", "cloud")
    bark = deployed("why do dogs bark", edge, "[Bark()] Woof!")
    assert (bark.label, bark.acts) == ("REMOTE", False)
    assert "not sure" in str(bark.said)


def test_the_cloud_hears_what_the_second_reader_says_of_the_shadows_tag() -> None:
    edge = {"label": "REMOTE", "posterior": {"[Sit()]": 0.9, "[REMOTE]": 0.1}}
    said = "[Sit()] Sitting."
    assert deployed("sit", edge, said).label == "Sit"
    assert deployed("sit", {**edge, "joint": {"[Sit()]": 0.95}}, said).label == "Sit"
    assert deployed("sit", {**edge, "joint": {"[REMOTE]": 0.95}}, said).label == "REMOTE"
    surer_of_another = {**edge, "joint": {"[Bark()]": 0.95, "[Sit()]": 0.05}}
    assert deployed("sit", surer_of_another, said).label == "REMOTE"


def test_a_dangerous_skill_of_the_clouds_moves_nothing() -> None:
    edge = {"label": "REMOTE", "posterior": {"[REMOTE]": 0.1, "[FrontFlip()]": 0.9}}
    assert deployed("flip?", edge, "[FrontFlip()] Flip!").label == "REMOTE"


def test_again_means_nothing_without_a_session() -> None:
    edge = {"label": "REMOTE", "posterior": {"[Sit()]": 0.5, "[REMOTE]": 0.5}}
    assert deployed("do it again", edge, "[Sit()] Sitting down.").label == "REMOTE"


def test_an_invented_tag_moves_nothing_and_is_not_spoken() -> None:
    edge = {"label": "REMOTE", "posterior": {"[REMOTE]": 1.0}}
    decision = deployed("weather?", edge, "[CheckWeather()] Checking.")
    assert (decision.label, decision.said, decision.invented) == ("REMOTE", "Checking.", ())


def test_the_best_tag_counts_for_calibration() -> None:
    posterior = {"posterior": {"[Sit()]": 0.3, "[REMOTE]": 0.7}}
    assert best_tag(posterior, row("x")) == (0.7, True)
    assert best_tag(posterior, row("x", "Sit")) == (0.7, False)
