"""The skills that this edge was taught: learnt once, when a command starts, from `EDGE_SKILLS`."""

from collections.abc import Sequence
from pathlib import Path

from edge_agent.robot.choreography import CHOREOGRAPHIES
from edge_agent.robot.taught_choreography import build_choreography
from shared.report import read_rows
from shared.skills import BUILT_IN, add_skill, remove_taught_skills
from shared.taught_skill import UTTERANCES_FILE, read_taught_skill


def learn(folders: Sequence[Path]) -> None:
    """Add the folders' skills to the catalogue and to what the driver performs.

    ConfigurationError says what is wrong with the first wrong one; the process then ends.
    """
    taught = [read_taught_skill(folder) for folder in folders]
    made = {each.name: build_choreography(each) for each in taught}
    forget()
    for each in taught:
        add_skill(each.entry)
    CHOREOGRAPHIES.update(made)


def read_utterances(folders: Sequence[Path]) -> list[str]:
    """Return how people ask for the folders' skills, as far as they say; DataError where a row is wrong."""
    files = (folder / UTTERANCES_FILE for folder in folders)
    return [row.text for file in files if file.is_file() for row in read_rows(file)]


def forget() -> None:
    """Bring catalogue and driver back to the built-in skills."""
    remove_taught_skills()
    for name in CHOREOGRAPHIES.keys() - {skill.name for skill in BUILT_IN}:
        del CHOREOGRAPHIES[name]
