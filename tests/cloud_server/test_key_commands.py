"""`cloud-server keys`: what goes where, and that the two halves fit."""

import re

from click.testing import CliRunner

from cloud_server.cli import main


def test_a_new_key_is_shown_once_and_its_line_holds_only_the_digest():
    made = CliRunner().invoke(main, ["keys", "new", "kitchen-dog"])
    assert made.exit_code == 0
    assert re.fullmatch(r"kitchen-dog sha256:[0-9a-f]{64}\n", made.stdout)
    key = made.stderr.split()[-1]
    hashed = CliRunner().invoke(main, ["keys", "hash", "kitchen-dog"], input=f"{key}\n")
    assert hashed.stdout == made.stdout


def test_what_is_no_key_is_one_line_and_exit_code_2():
    for arguments, given in (
        (["keys", "new", "a dog"], ""),
        (["keys", "hash", "dog"], "hunter2\n"),
        (["keys", "hash", "dog"], ""),
    ):
        refused = CliRunner().invoke(main, arguments, input=given)
        assert refused.exit_code == 2
        assert refused.stderr.endswith("(configuration_invalid)\n")
        assert "hunter2" not in refused.output
