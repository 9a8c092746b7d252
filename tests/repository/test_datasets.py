"""The datasets' validator finds what it is for; `make check` runs it on the datasets themselves."""

import copy
import json
import random
import shutil
import sys
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from shared.skills import SKILL_NAMES

FOLDER = Path(__file__).resolve().parents[2] / "datasets"
sys.path.append(str(FOLDER))  # the scripts beside the data are no package

import near_duplicates  # noqa: E402
import validate  # noqa: E402

Files = dict[str, list[dict[str, Any]]]
SYLLABLES = [first + vowel for first in "bdfgklmnprstvz" for vowel in "aeiou"]
HANZI = "的一是了我不人在他有这个上们来到时大地为子中你说生国年着就那和要她出也得里后自以会家可下而过天去能对小多然于心学么之都好看起发当没成只如事把还用第样道想作种开"


def text(number: int, language: str) -> str:
    """Return a text unlike that of any other number."""
    drawn = random.Random(number)
    if language == "en":
        return " ".join("".join(drawn.sample(SYLLABLES, 3)) for _ in range(4))
    return "".join(drawn.sample(HANZI, 10))


def make_files() -> Files:
    """Return small datasets that only lack what the sizes ask for beyond the paper's splits."""
    files: Files = {each: [] for names in validate.SIDES.values() for each in names}
    files["spoken_lines"] = []
    number = iter(range(1, 100_000))

    def add(name: str, lang: str, label: str, **more: Any) -> None:
        row = {"id": f"{name}-{len(files[name]):05d}", "text": text(next(number), lang)}
        row |= {"lang": lang, "label": label, "source": "shadowdog/a", "license": "Apache-2.0"}
        files[name].append({**row, "synthetic": True, **more})

    for skill in SKILL_NAMES:
        for lang, count in (("en", 61), ("zh", 39)):
            for _ in range(count):
                add("train_normal", lang, skill)
        for _ in range(10):
            add("train_normal_extra", "zh", skill)
    for name in ("train_remote_base", "train_remote_shadow", "test_normal", "test_remote"):
        answers = {"en": "Yes.", "zh": "好的。"}
        for lang, count in zip(("en", "zh"), validate.PAPER_SIZES[name], strict=True):
            for skill, _ in zip(cycle(SKILL_NAMES), range(count), strict=False):
                if name == "test_normal":
                    add(name, lang, skill)
                elif name == "train_remote_base":
                    add(name, lang, "REMOTE", answer=answers[lang])
                else:
                    add(name, lang, "REMOTE", kind="request")
    for _ in range(2000):
        add("train_remote_extra", "en", "REMOTE", kind="near_miss", near="Sit")
    for name in ("validation", "calibration", "test_extra", "test_remote_extra"):
        add(name, "en", "Sit") if name != "test_remote_extra" else None
        add(name, "zh", "REMOTE", kind="motion")
    return files


FILES = make_files()


def write(folder: Path, files: Files) -> Path:
    """Write datasets with a card whose numbers are counted."""
    shutil.copy(FOLDER / "schema.json", folder)
    for name, rows in files.items():
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    table = [f"| `{name}.jsonl` | | | | | | | | what it is |" for name in files]
    card = "\n".join([*table, "0 rows in all", "at least 0 written utterances"])
    (folder / "README.md").write_text(card, encoding="utf-8")
    validate.write_card(folder / "README.md", files)
    return folder


def test_sound_datasets_have_no_problem(tmp_path: Path) -> None:
    assert validate.find_problems(write(tmp_path, FILES)) == []
    assert "what it is" in (tmp_path / "README.md").read_text(encoding="utf-8")


def replaced(name: str, number: int, **changes: Any) -> Callable[[Files], None]:
    """Return what changes a row; a value of None takes the key away."""

    def change(files: Files) -> None:
        row = {**files[name][number], **changes}
        files[name][number] = {key: value for key, value in row.items() if value is not None}

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (replaced("train_normal", 0, lang="fr"), "'fr' is none of"),
        (replaced("train_normal", 0, mood="good"), "mood is no key"),
        (replaced("train_normal", 0, source=None), "source is missing"),
        (replaced("train_normal", 0, synthetic="yes"), "not of type boolean"),
        (replaced("train_normal", 0, text=""), "text: empty"),
        (replaced("train_normal", 0, label="Fly"), "'Fly' is no skill"),
        (replaced("train_normal", 0, id="train_normal-00007"), "its id is not"),
        (replaced("train_normal", 0, license="GPL-3.0-only"), "the licence 'GPL-3.0-only'"),
        (replaced("train_normal", 0, license="MIT"), "a written row is Apache-2.0"),
        (replaced("train_normal", 0, source="clinc150"), "synthetic and source"),
        (replaced("train_normal", 0, text=" sit"), "spaces around"),
        (replaced("train_normal", 0, text="坐下"), "is Chinese"),
        (replaced("train_normal", 0, kind="request"), "a command has no kind"),
        (replaced("test_remote", 0, kind=None), "a kind or an answer"),
        (replaced("test_remote", 0, answer="No."), "only training rows"),
        (replaced("train_remote_base", 0, answer="[Sit()] Sitting."), "holds a bracket"),
        (replaced("train_remote_base", 0, answer="好的，没问题。"), "another language"),
        (replaced("train_remote_base", 0, answer=None, kind="request"), "no answer is written"),
        (replaced("train_normal", 0, history=[]), "a history is empty"),
        (
            replaced("train_normal", 0, history=[{"role": "dog", "text": "Hm?"}]),
            "a history alternates",
        ),
        (
            replaced("train_normal", 0, history=[{"role": "user", "text": ""}]),
            "history[0].text: empty",
        ),
        (replaced("train_normal", 0, label="Sit"), "train_normal: 60 en rows of Damp"),
        (lambda files: files["test_normal"].pop(), "the paper's are (170, 136)"),
        (lambda files: files["train_normal_extra"].clear(), "39 written zh utterances"),
        (lambda files: files["train_remote_extra"].pop(), "fewer than 2000"),
        (lambda files: files.update(more=[]), "more.jsonl is of no side"),
        (lambda files: files.pop("validation"), "validation.jsonl is missing"),
    ],
)
def test_a_wrong_row_or_size_is_found(change: Callable[[Files], None], said: str) -> None:
    files = copy.deepcopy(FILES)
    change(files)
    problems = [*validate.check_rows(FOLDER, files), *validate.check_sizes(files)]
    assert any(said in problem for problem in problems)


def test_rows_said_twice_or_near_another_sides_are_found() -> None:
    files = copy.deepcopy(FILES)
    files["train_normal"][3]["text"] = files["train_remote_base"][3]["text"].upper() + "!"
    files["train_normal_extra"][0]["text"] = files["test_normal"][-1]["text"] + "啊"
    files["calibration"][1]["text"] = "做一个前空翻给我看看"
    files["test_extra"][1]["text"] = "坐一个前空番给我看看"
    problems = list(validate.check_apart(files))
    assert any("says the same as train_normal-00003" in each for each in problems)
    assert any(each.startswith("test and train are near by letters") for each in problems)
    assert any(each.startswith("calibration and test_extra are near by sound") for each in problems)
    assert not any(each.startswith("calibration and test_extra are near by l") for each in problems)


def test_a_row_with_another_history_may_say_the_same() -> None:
    files = copy.deepcopy(FILES)
    for number, said in enumerate(("Sit", "Stand up")):
        turns = [{"role": "user", "text": said}, {"role": "dog", "text": "Done."}]
        files["train_normal"][number] |= {"text": "and once more", "history": turns}
    assert list(validate.check_apart(files)) == []


def test_near_pairs_are_those_of_comparing_all_with_all() -> None:
    words = ["sit", "down", "now", "please", "dog", "hey", "you", "the", "little", "good"]
    texts = [" ".join(words[(i * k) % 10] for k in range(1, 2 + i % 6)) for i in range(60)]
    rows = [{"id": str(i), "text": each} for i, each in enumerate(texts)]
    sides = {"one": rows[:20], "two": rows[20:40], "three": rows[40:]}
    found = {
        (first["id"], second["id"])
        for _, first, _, second in near_duplicates.near_pairs(sides, near_duplicates.trigrams)
    }
    features = [near_duplicates.trigrams(each) for each in texts]
    wanted = {
        (str(a), str(b))
        for a in range(60)
        for b in range(60)
        if a // 20 < b // 20
        and len(features[a] & features[b]) / len(features[a] | features[b]) >= near_duplicates.NEAR
    }
    assert found == wanted
    assert 0 < len(wanted) < 1200


def test_the_card_states_what_is_counted(tmp_path: Path) -> None:
    folder = write(tmp_path, FILES)
    card = folder / "README.md"
    right = card.read_text(encoding="utf-8")
    assert "| `test_normal.jsonl` | 306 | 170 / 136 | 306 | 0 | 0 | 0 | 0 | what it is |" in right
    card.write_text(right.replace("| 306 | 170", "| 307 | 171"), encoding="utf-8")
    (problem,) = validate.check_card(card, FILES)
    assert "test_normal" in problem
    files = {**FILES, "test_normal": [{**FILES["test_normal"][0], "source": "elsewhere"}]}
    assert any("attribution of elsewhere" in each for each in validate.check_card(card, files))


def test_a_line_that_is_no_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "validation.jsonl").write_text('{"id": 1}\n{"id":\n')
    assert "validation.jsonl:2 is no JSON" in validate.find_problems(tmp_path)[0]


def test_a_last_line_without_its_newline_is_checked_as_training_reads_it(tmp_path: Path) -> None:
    folder = write(tmp_path, FILES)
    number = len(FILES["train_normal_extra"])
    row = {**FILES["train_normal_extra"][-1], "id": f"train_normal_extra-{number:05d}"}
    line = json.dumps({**row, "text": FILES["test_normal"][-1]["text"]}, ensure_ascii=False)
    with (folder / "train_normal_extra.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(line)
    validate.write_card(folder / "README.md", validate.read_files(folder))
    problems = validate.find_problems(folder)
    assert any(each.startswith("test and train are near by letters") for each in problems)
