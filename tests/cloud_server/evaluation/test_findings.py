"""Comparisons in words: who is ahead is named first, with its own share first."""

from cloud_server.evaluation.decisions import Decision
from cloud_server.evaluation.findings import compare, texts_seen, verdicts
from cloud_server.evaluation.rows import Sample
from cloud_server.evaluation.systems import System
from cloud_server.training.data import Row

ROWS = 20


def sample(number: int) -> Sample:
    row = {"id": f"r-{number}", "text": f"sit {number}", "lang": "en", "label": "Sit"}
    more = {"source": "shadowdog/a", "license": "Apache-2.0", "synthetic": True}
    return Sample(Row.model_validate({**row, **more}), "test_normal")


def system(key: str, right: int) -> System:
    """A system that gets the first `right` rows right and defers the others."""
    labels = ["Sit"] * right + ["REMOTE"] * (ROWS - right)
    return System(key, {}, {}, [Decision(label, None) for label in labels])


def compared(first: int, second: int) -> str:
    tests = [sample(number) for number in range(ROWS)]
    return compare(system("lora", first), system("dora", second), tests, lambda _: True)


def test_who_is_ahead_has_the_greater_share_whichever_is_given_first() -> None:
    assert compared(18, 4).startswith("**LoRA** is ahead of DoRA (90.0 % against 20.0 %; ")
    assert compared(4, 18).startswith("**DoRA** is ahead of LoRA (90.0 % against 20.0 %; ")


def test_what_may_be_chance_keeps_the_order_given() -> None:
    said = "no difference that could not be chance between LoRA and DoRA"
    assert compared(9, 10).startswith(f"{said} (45.0 % against 50.0 %; ")


def test_the_attached_shadow_meets_the_others_that_answer_alone() -> None:
    tests = [sample(number) for number in range(ROWS)]
    systems = {key: system(key, 10) for key in ("deployed", "attached", "lora")}
    said = verdicts(systems, tests)
    assert "edge and cloud together, as deployed and LoRA (" in said
    assert "attached shadow alone and LoRA (" in said
    assert "DoRA" not in said


def test_how_much_was_seen_is_told_where_it_differs() -> None:
    def seen(**counts: int | None) -> str:
        return texts_seen(
            {key: System(key, {"texts_seen": n} if n else {}, {}, []) for key, n in counts.items()}
        )

    assert "attached shadow alone 1,200, LoRA 30. **These" in seen(
        attached=1200, lora=30, dora=None
    )
    assert seen(attached=30, lora=30) == seen(attached=30, lora=None) == ""
