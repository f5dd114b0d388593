"""lint: approval, windows and their mistakes."""

import pytest
from cli.test_lint import manifest

from serin_cli.lint_advice import advice
from serin_cli.lint_schema import schema_findings
from serin_core.api.spec import SuggestionModelSpec

spec_of = SuggestionModelSpec.model_validate
ZONE = "write an IANA name like Europe/Berlin"
NEVER = "from and to are equal, so the window never opens"
ONLY_PROMOTION = "hold the promotion only: every step needs an approval, which goes ahead outside them"
OPEN = {"from": "09:00", "to": "16:00"}
WEEKDAYS = {"days": ["Mon", "Tue", "Wed", "Thu", "Fri"], "timeZone": "Europe/Berlin"}


def errors(**canary):
    return [str(one) for one in schema_findings(manifest(canary=canary))]


def about(**canary):
    found = advice(spec_of(manifest(canary=canary)["spec"]), None)
    return [str(one) for one in found if "approv" in one.path or "windows" in one.path]


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        (
            OPEN | {"to": "09:00"},
            f"error: WINDOW: {NEVER}; a whole day is 00:00 to 24:00",
        ),
        (OPEN | {"days": []}, "error: WINDOW.days: must not be empty"),
        (OPEN | {"days": ["Mon", "Mon"]}, "error: WINDOW.days: days must not repeat"),
        (
            OPEN | {"from": "9:00"},
            "error: WINDOW.from: '9:00' is not a time of day: write for example 09:00, in quotes",
        ),
        (OPEN | {"to": 960}, "error: WINDOW.to: 960 is not text; put it in quotes"),
        (
            OPEN | {"timeZone": "Europe/Berln"},
            f"error: WINDOW.timeZone: unknown time zone 'Europe/Berln': {ZONE}; did you mean Europe/Berlin?",
        ),
        (
            OPEN | {"timeZone": "+02:00"},
            f"error: WINDOW.timeZone: '+02:00' is not a time zone: {ZONE}",
        ),
        (OPEN | {"timezone": "UTC"}, "error: WINDOW.timezone: unknown field; did you mean timeZone?"),
    ],
)
def test_a_window_that_cannot_be_used_is_an_error_with_what_would_be_right(window, expected):
    assert errors(windows=[window]) == [expected.replace("WINDOW", "spec.canary.windows[0]")]


def test_the_mistakes_of_all_windows_are_reported_at_once():
    found = errors(windows=[OPEN | {"to": "09:00"}, OPEN | {"timeZone": "Berlin"}], approval="manual")
    assert len(found) == 3
    assert "error: spec.canary.approval: 'manual' is not one of Automatic, Manual; did you mean Manual?" in found


def test_steps_that_need_an_approval_are_listed():
    steps = [{"percent": 10}, {"percent": 50, "approval": "Automatic"}, {"percent": 100}]
    assert about(approval="Manual", steps=steps) == [
        "note: spec.canary.approval: a user must approve each step to 10 %, 100 %"
    ]
    assert about() == []


def test_the_longest_wait_for_a_window_is_shown():
    assert about(windows=[OPEN | WEEKDAYS]) == ["note: spec.canary.windows: a step waits up to 65h for its window"]


def test_windows_that_hold_no_step_are_likely_a_mistake():
    assert about(windows=[OPEN], approval="Manual") == [
        f"warning: spec.canary.windows: {ONLY_PROMOTION}",
        "note: spec.canary.approval: a user must approve each step to 10 %, 50 %, 100 %",
        "note: spec.canary.windows: a step waits up to 17h for its window",
    ]
