"""Lines of a log, as operator and server write them."""

import json
import logging

import pytest

from serin_core.logs import JsonFormatter, TextFormatter


def record(message="it failed", *, exc_info=None, **extra):
    made = logging.LogRecord("serin", logging.ERROR, __file__, 1, message, (), exc_info)
    made.created = 1767225600.25
    vars(made).update(extra)
    return made


def test_a_json_line_has_time_level_logger_message_and_the_extra_fields_that_were_asked_for():
    formatter = JsonFormatter("stage", "reconcile", "revision")
    line = json.loads(formatter.format(record("höher\nals", stage=7, reconcile="a1b2c3d4", settings=object())))
    assert line == {
        "time": "2026-01-01T00:00:00.250+00:00",
        "level": "error",
        "logger": "serin",
        "message": "höher\nals",
        "stage": 7,
        "reconcile": "a1b2c3d4",
    }


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_the_message_of_an_exception_is_left_out(formatter):
    with pytest.raises(KeyError) as caught:
        raise KeyError("ZUKAYZAL")
    line = formatter.format(record(exc_info=(KeyError, caught.value, caught.value.__traceback__)))
    assert "KeyError (its message is left out)" in line
    assert "test_the_message_of_an_exception_is_left_out" in line
