"""docs/reliability.md, written from the cells of a run."""

import json
from collections.abc import Mapping

from tests.faults.reliability import (
    CLOUD_FAULTS,
    MOMENTS,
    ROBOT_FAULTS,
    Cell,
    Moment,
    key_of,
)

HEAD = """# When anything goes wrong

Written by `make faults` from its own run: change `tests/faults/`, not this page. Each fault of the way to the
cloud (`tests/faults/fault_proxy.py`, between the real client and a cloud that speaks the contract) against each
fault of the robot ([robot-faults.md](robot-faults.md)) at {moments} moments, {cells} cells in virtual time. Real are
agent, gate, driver, mock dog, HTTP and TLS; the recogniser knows a few words. Nothing here was tried on
a real dog.

The moments:

{explained}

For every cell the run asserts, besides what the tables say: the question ends within its deadline of 20 s (and
the seconds that a skill takes after it); no call reaches the dog that nobody asked for; the dog is at rest 4 s after the
last outcome; what got no answer is in the outbox, and the dog has said so.

## What a question comes to

By the fault of the way to the cloud, and the longest time over all robot faults, seconds after the question. A stop
ends the waiting in any case: `stopping` tells only what was over before it came, 0.1 s later.

"""
BODY = """
## What the dog does meanwhile

By the robot's fault; the way to the cloud makes no difference, except where one of its faults is named. `named` is told
for the ways on which an answer comes: on the others nothing is done, as nothing is at `asking`.

"""
TAIL = """
## How to read it

- `offline` with a reason: the dog says in the speaker's language that the cloud is away, too slow, refuses or
  talks nonsense, and keeps the utterance in the outbox (`edge-agent outbox list | ask | clear`, `GET` and
  `DELETE /v1/outbox`). No threshold is lowered to answer anyway: what the edge did not recognise it does not do.
- `cloud`: an answer came and was said. A skill in it passed the gate as any other, or was refused by it.
- Asked again within the deadline, three times at most and with jitter, is only what had not begun: no connection, a
  connection that closed before the answer, 429, 502, 503. `Retry-After` up to 5 s is kept to. An answer that had begun
  is never asked for again, and whatever comes, one answer at most reaches the gate.
- Two failures in a row open the breaker: from then on a question fails at once (`cloud_skipped`), and one question every
  10 s tries. A refusal of one question (400, 404, 413, 422) is a cloud that lives.
- An answer after the deadline is thrown away; `edge-agent outbox ask ID` has it said later, and
  whatever skill it names is not done (`expired late_answer`).
- A robot fault of the link (`slow`, `silent`, `dead`) at the moment of the stop keeps the stop from the dog, and the
  outcome says so (`failed robot_unavailable`); a dog that moves by Move rests by itself.
"""


def render(cells: Mapping[str, Cell]) -> str:
    """Return the page."""
    explained = "\n".join(f"- `{name}`: {what}" for name, what in MOMENTS.items())
    head = HEAD.format(moments=len(MOMENTS), cells=len(cells), explained=explained)
    return head + _questions(cells) + BODY + _bodies(cells) + TAIL


def _questions(cells: Mapping[str, Cell]) -> str:
    rows = ["| cloud fault | what it does | asking | named | moving | stopping |", "|---" * 6 + "|"]
    for cloud, fault in CLOUD_FAULTS.items():
        columns = [_question(cells, cloud, moment) for moment in MOMENTS]
        rows.append(f"| `{cloud}` | {fault.what} | " + " | ".join(columns) + " |")
    return "\n".join(rows) + "\n"


def _question(cells: Mapping[str, Cell], cloud: str, moment: Moment) -> str:
    found = {robot: cells[key_of(cloud, robot, moment)] for robot in ROBOT_FAULTS}
    longest_s = max(cell.question_s for cell in found.values())
    return f"{_group({robot: cell.question for robot, cell in found.items()})}, {longest_s:.1f} s"


def _bodies(cells: Mapping[str, Cell]) -> str:
    moments: tuple[Moment, ...] = ("named", "moving", "stopping")
    rows = [
        "| robot fault | " + " | ".join(moments) + " | the dog at the end |",
        "|---" * (len(moments) + 2) + "|",
    ]
    for robot, parameters in ROBOT_FAULTS.items():
        columns = []
        for moment in moments:
            found = {cloud: cells[key_of(cloud, robot, moment)].body for cloud in CLOUD_FAULTS}
            if moment == "named":  # where no answer comes, nothing is done
                found = {
                    cloud: body for cloud, body in found.items() if CLOUD_FAULTS[cloud].answers
                }
            columns.append(_group(found))
        final = {
            f"{moment}, {cloud}": cells[key_of(cloud, robot, moment)].final
            for moment in MOMENTS
            for cloud in CLOUD_FAULTS
        }
        name = f"`{robot}`" + (f" `{json.dumps(parameters)}`" if parameters else "")
        ends = " or ".join(sorted(set(final.values())))
        rows.append(f"| {name} | " + " | ".join(columns) + f" | {ends} |")
    return "\n".join(rows) + "\n"


def _group(found: Mapping[str, str]) -> str:
    """Return what is the same for all, or the most common with the exceptions after it."""
    by_words: dict[str, list[str]] = {}
    for name, words in found.items():
        by_words.setdefault(words, []).append(name)
    ordered = sorted(by_words.items(), key=lambda item: -len(item[1]))
    common, *rest = [words for words, _ in ordered]
    exceptions = [
        f"{words} ({', '.join(f'`{name}`' for name in by_words[words])})" for words in rest
    ]
    return "; ".join([common, *exceptions])
