"""A step's room for prompts: used up where it can be, half of it the oldest's, short ones first."""

from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_server.engine.shares import share_out


@settings(deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 300), max_size=8), st.integers(1, 128))
def test_room_is_used_up_and_the_oldest_always_moves_on(pending, room):
    shares = share_out(pending, room)
    assert all(0 <= share <= wanted for share, wanted in zip(shares, pending, strict=True))
    assert sum(shares) == min(room, sum(pending))
    if pending:
        assert shares[0] >= min(pending[0], room // 2, 1)
        assert shares[0] >= min(pending[0], room // 2)


def test_a_long_prompt_holds_up_no_short_one():
    assert share_out([1000, 30, 20], 100) == [50, 30, 20]
    assert share_out([1000, 60, 20], 100) == [50, 30, 20]
    assert share_out([10, 500, 40], 100) == [10, 50, 40]
    assert share_out([], 100) == []
