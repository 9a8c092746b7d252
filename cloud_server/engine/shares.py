"""How a step's room for prompt tokens is shared among the prompts under way."""

from collections.abc import Sequence


def share_out(pending: Sequence[int], room: int) -> list[int]:
    """Return how many tokens of each prompt, oldest first, are computed in this step.

    Half of the room is the oldest's, so that it moves on in every step; the rest goes to the
    shortest first, so that a long prompt holds up no short one.
    """
    shares = [0] * len(pending)

    def grant(number: int, most: int) -> None:
        nonlocal room
        granted = min(pending[number] - shares[number], most)
        shares[number] += granted
        room -= granted

    if pending:
        grant(0, (room + 1) // 2)
    for number in sorted(range(len(pending)), key=lambda number: pending[number]):
        grant(number, room)
    return shares
