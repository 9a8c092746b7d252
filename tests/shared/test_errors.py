"""The error tree: stable, unique codes, and a drawing that is true."""

import shared.errors
from shared.errors import ShadowdogError


def _all(root: type[ShadowdogError]) -> list[type[ShadowdogError]]:
    return [root, *(each for child in root.__subclasses__() for each in _all(child))]


def test_codes_are_unique_and_drawn() -> None:
    errors = [each for each in _all(ShadowdogError) if each.__module__ == "shared.errors"]
    codes = [each.code for each in errors]
    assert len(set(codes)) == len(codes)
    drawing = shared.errors.__doc__ or ""
    for each in errors[1:]:
        line = next(line for line in drawing.splitlines() if f" {each.__name__} " in line)
        assert each.code in line
        assert each.status < 500 or each.status in (500, 502, 503, 504)
