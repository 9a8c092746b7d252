"""What "again" stands for in a session, and what it never does."""

from cloud_server.api.repeating import skill_to_repeat
from cloud_server.api.sessions import acted_exchange, answered_exchange


def test_only_the_very_last_exchange_is_repeated_and_nothing_dangerous():
    dance, question = acted_exchange("dance", "Dance"), answered_exchange("why?", "Because.", None)
    flip = acted_exchange("flip", "FrontFlip")
    assert skill_to_repeat("again", [question, dance]) == "Dance"
    assert skill_to_repeat("again", [dance, question]) is None
    assert skill_to_repeat("again", [dance, flip]) is None
    assert skill_to_repeat("again", []) is None
    assert skill_to_repeat("what is your name?", [dance]) is None
