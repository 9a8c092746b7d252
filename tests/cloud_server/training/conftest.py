"""What several tests of training need."""

from collections.abc import Iterator

import pytest

from shared.skills import remove_taught_skills


@pytest.fixture
def built_in_catalogue() -> Iterator[None]:
    """The catalogue without taught skills, before a test and after it."""
    remove_taught_skills()
    yield
    remove_taught_skills()
