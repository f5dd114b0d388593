"""Labels that a scrape changes: named while they are changed, and what they left behind is not counted."""

from datetime import UTC, datetime, timedelta

import pytest

from serin_core.api.gate_names import GateName
from serin_core.contract import names
from serin_core.contract.gate_catalog import CATALOG
from serin_core.counting.label_check import find_changed_label
from serin_core.counting.reading import Unreadable
from serin_core.counting.server_counters import count_stage
from serin_core.counting.stage_query import FRESH, Series, StageQuery
from serin_core.evidence.counts import Counts

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SCRAPED = Series({FRESH: "true"}, 1)
INTACT = {label: label for label in names.CHECKED_LABELS}


def check(process="p1", **changes):
    labels = {"__name__": names.LABEL_CHECK, names.SERIES_PROCESS: process, **INTACT, **changes}
    return Series({label: value for label, value in labels.items() if value}, 1)


def requests(true, false, process="p1", **changes):
    return [
        Series(
            {
                "__name__": names.REQUESTS,
                names.SERIES_PROCESS: process,
                names.SERIES_ARM: "control",
                "available": available,
                **changes,
            },
            value,
        )
        for available, value in (("True", true), ("False", false))
    ]


def read(*series, gates=(GateName.AVAILABILITY,)):
    asked = StageQuery("u", "run", 7, 0.0, gates, NOW - timedelta(hours=1), None, timedelta(seconds=30))
    found = count_stage((*series, SCRAPED), asked, NOW)
    return found if isinstance(found, Unreadable) else found.of(gates[0].value)


def test_the_series_of_the_check_is_no_process_of_the_stage():
    assert read(*requests(8, 2), check(), check("p2")) == Counts(8, 10)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"available": ""}, "the scrape drops the label available; see "),
        ({"available": "blue"}, 'the scrape overwrites the label available with "blue"; see '),
        ({names.SERIES_STAGE: "production"}, 'the scrape overwrites the label serin_stage with "production"; see '),
    ],
)
def test_a_changed_label_that_a_gate_reads_is_named(changes, message):
    found = read(*requests(8, 2), check(**changes))
    assert found.reason == "LabelsChanged"
    assert found.message.startswith(message)
    assert found.message.endswith('see "Labels that a scrape changes" in docs/prometheus.md')


def test_a_dropped_process_is_named_first():
    found = read(*requests(8, 2, process=""), check(process="", available=""))
    assert "drops the label serin_process, without which the processes cannot be told apart" in found.message


def test_labels_that_the_gates_of_the_stage_do_not_read_may_change():
    changed = [check(reason="audit", source="", serin_class="gold")]
    assert find_changed_label(changed, [GateName.AVAILABILITY]) is None
    assert find_changed_label(changed, [GateName.PER_CLASS]).message.startswith(
        'the scrape overwrites the label serin_class with "gold"'
    )


@pytest.mark.parametrize("first", [0, 1])
def test_a_process_that_is_scraped_twice_needs_one_scrape_that_changes_nothing(first):
    twice = [check(), check(available="blue", exported_available="available")]
    once = requests(8, 2)
    renamed = requests(8, 2, available="blue", exported_available="True")
    assert read(*once, *renamed, twice[first], twice[1 - first]) == Counts(8, 10)


@pytest.mark.parametrize(
    "left_behind",
    [
        pytest.param(requests(700, 0, process=""), id="without a process"),
        pytest.param(requests(700, 0, available="True", exported_available="False"), id="renamed"),
    ],
)
def test_what_a_rule_left_behind_is_not_counted_after_its_repair(left_behind):
    assert read(*requests(8, 2), *left_behind, check()) == Counts(8, 10)


def test_a_server_of_before_has_no_check():
    assert read(*requests(8, 2)) == Counts(8, 10)


@pytest.mark.parametrize("gate", GateName)
def test_every_label_that_a_gate_reads_is_checked(gate):
    read_by = {label for term in CATALOG[gate].terms for label in (term.label, term.part)} - {"", "le"}
    for label in (*read_by, names.SERIES_RUN, names.SERIES_STAGE, names.SERIES_ARM):
        assert f"the label {label} " in find_changed_label([check(**{label: "x"})], [gate]).message
    assert find_changed_label([check()], [gate]) is None
