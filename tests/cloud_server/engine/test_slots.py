"""Slots: nobody gets one that another holds, and none is lost."""

import random

import torch

from cloud_server.engine.slots import PADDING_SLOT, Slots


def test_no_slot_has_two_takers_and_none_is_lost():
    chance, slots = random.Random(1), Slots(50)
    held: list[torch.Tensor] = []
    for _ in range(500):
        if held and chance.random() < 0.4:
            slots.give_back(held.pop(chance.randrange(len(held))))
        elif held and chance.random() < 0.4:
            table = chance.choice(held)
            held.append(slots.share(table[: chance.randint(0, len(table))]))
        else:
            taken = slots.take(chance.randint(0, min(9, slots.free)))
            others = {slot for table in held for slot in table.tolist()}
            assert not others & set(taken.tolist())
            assert PADDING_SLOT not in taken.tolist()
            held.append(taken)
        assert slots.used == len({slot for table in held for slot in table.tolist()})
    for table in held:
        slots.give_back(table)
    assert sorted(slots.take(50).tolist()) == list(range(1, 51))


def test_low_numbers_come_first_so_that_unused_memory_is_not_touched():
    slots = Slots(1000)
    first = slots.take(3)
    assert first.tolist() == [1, 2, 3]
    slots.give_back(first)
    assert slots.take(2).tolist() == [1, 2]


def test_what_giving_back_would_free_is_told_beforehand():
    slots = Slots(20)
    prompt, other = slots.take(6), slots.take(3)
    longer = torch.cat([slots.share(prompt[:4]), slots.take(2)])
    assert slots.freed_by([]) == 0
    assert slots.freed_by([prompt]) == 2
    assert slots.freed_by([longer, other]) == 5
    assert slots.freed_by([prompt, longer]) == 8
    assert slots.used == 11
