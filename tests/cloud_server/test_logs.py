"""The process's log as JSON: one object a line, with a request's figures as keys."""

import json
import logging
import subprocess
import sys

import pytest

from cloud_server.logs import JsonFormatter


def record(message: str, *arguments: object, **more: object) -> logging.LogRecord:
    made = logging.LogRecord("a.logger", logging.WARNING, "f.py", 1, message, arguments, None)
    made.__dict__.update(more)
    return made


def test_a_record_is_one_line_with_its_figures():
    line = JsonFormatter().format(
        record("said %s\n%d", "坐", 2, figures={"request_id": "q-1", "status": 200, "ms": 1.5})
    )
    assert "\n" not in line
    told = json.loads(line)
    assert told.pop("time").endswith("Z")
    assert told == {
        "level": "warning",
        "logger": "a.logger",
        "message": "said 坐\n2",
        "request_id": "q-1",
        "status": 200,
        "ms": 1.5,
    }


def test_an_exception_is_told_in_the_same_line():
    try:
        raise ValueError("on purpose")
    except ValueError:
        line = JsonFormatter().format(record("failed", exc_info=sys.exc_info()))
    assert "\n" not in line
    assert "ValueError: on purpose" in json.loads(line)["exception"]


@pytest.mark.parametrize(("form", "start"), [("json", '{"time":'), ("text", "20")])
def test_the_processs_log_has_the_form_that_is_set(form, start):
    code = (
        "import logging; from cloud_server.logs import configure_logs\n"
        f"configure_logs('warning', '{form}')\n"
        "logging.getLogger('a').warning('told'); logging.getLogger('a').info('not told')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    (line,) = done.stderr.splitlines()
    assert line.startswith(start)
    assert "told" in line
