"""history, against a cluster that has the records of a few trials."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from cli.fakes import OLD, RUN, FakeCluster, model, run

from serin_cli import history
from serin_cli.request_errors import AbsentError, ClusterError
from serin_core.api.gate_status import GateStatus
from serin_core.api.record import Outcome, RollbackTime, TransitionRecord, TrialRecord
from serin_core.evidence.counts import Verdict
from serin_core.rollout import recording

BEGAN = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
GATE = GateStatus(
    name="agreement", at_least=0.7, good=60, total=100, estimate=0.6, verdict=Verdict.FAIL, reason="Proven"
)


def entry(event, minutes, message="m", **changes):
    at = BEGAN + timedelta(minutes=minutes)
    return TransitionRecord(at=at, event=event, message=message, run_id=RUN, **changes)


def trial(number, run_id=RUN, **changes):
    begun = TrialRecord(
        trial=number, namespace="shop", name="c", uid="uid-1", run_id=run_id, started_at=BEGAN, by="kubectl-apply"
    )
    return recording.written(begun.changed(**changes))[1]


FAILED = trial(
    10,
    attempt=2,
    by=f"retry {RUN} 2026-01-02T12:00:00Z by=jane fixed",
    digest="sha256:" + "a" * 64,
    outcome=Outcome.ROLLED_BACK,
    ended_at=BEGAN + timedelta(hours=2),
    reason="Rolled back from 10 % to 0 %: agreement 60 % of 100",
    transitions=(
        entry("RolloutRetried", 0, by=f"retry {RUN} by=jane fixed"),
        entry("GateFailed", 120, "Rolled back", stage=7, percent_before=10.0, gates=(GATE,)),
    ),
    dropped_transitions=3,
    rollbacks=(
        RollbackTime(run_id=RUN, event="GateFailed", at=BEGAN, revision=8, confirmed_at=BEGAN + timedelta(seconds=1.5)),
    ),
)
FIRST = trial(9, OLD, outcome=Outcome.PROMOTED, ended_at=BEGAN + timedelta(days=4), reason=f"{OLD} promoted")


class WithRecords(FakeCluster):
    """A cluster with trial records."""

    def __init__(self, *texts, live=None, error=None):
        super().__init__(live or model())
        self.texts, self.error = texts, error

    def records(self, name):
        if self.error:
            raise self.error
        return list(self.texts)


@pytest.fixture
def serin(monkeypatch):
    return lambda cluster, *arguments: run(monkeypatch, history.app, cluster, *arguments)


def test_the_table_is_in_the_order_of_the_trials(serin):
    said = serin(WithRecords(FAILED, FIRST), "c")
    assert said.exit_code == 0
    head, first, second = said.stdout.splitlines()
    assert head.split() == ["TRIAL", "RUN", "STARTED", "ENDED", "OUTCOME", "BY", "WHY"]
    assert first.split()[:5] == ["9", OLD, "2026-01-02T12:00:00Z", "2026-01-06T12:00:00Z", "Promoted"]
    assert first.endswith(f"kubectl-apply   {OLD} promoted")
    assert f"{RUN} (attempt 2)" in second
    assert "   jane (retry)    Rolled back" in second
    assert "RolledBack" in second
    assert second.endswith("Rolled back from 10 % to 0 %: agreement 60 % of 100")


def test_a_run_is_shown_with_its_transitions_and_their_evidence(serin):
    said = serin(WithRecords(FIRST, FAILED), "c", "--run", RUN).stdout
    assert said.startswith(f"trial 10: {RUN}, attempt 2: RolledBack\n")
    assert "  started    2026-01-02T12:00:00Z; ended 2026-01-02T14:00:00Z, after 2h\n" in said
    assert "GateFailed; confirmed by every pod after: 1.5 s" in said
    assert "3 transitions were left out" in said
    assert "RolloutRetried: m [jane (retry)]" in said
    assert "GateFailed, stage 7 (10 %): Rolled back\n" in said
    assert "      agreement 60 % of 100 (at least 70 %): Fail" in said
    assert OLD not in said


def test_a_run_without_a_record_is_named_with_those_that_have_one(serin):
    said = serin(WithRecords(FIRST, FAILED), "c", "--run", "run_ffffffff_1")
    assert said.stdout == f"c: no record of run_ffffffff_1 is kept; recorded are: {OLD}, {RUN}\n"


@pytest.mark.parametrize(("output", "parse"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_whole_records_for_machines_and_backups(serin, output, parse):
    found = parse(serin(WithRecords(FIRST, FAILED), "c", "-o", output).stdout)
    assert found == [json.loads(FIRST), json.loads(FAILED)]
    (one,) = parse(serin(WithRecords(FIRST, FAILED), "c", "--run", RUN, "-o", output).stdout)
    assert one["runID"] == RUN


def test_a_record_that_cannot_be_read_hides_no_other(serin):
    said = serin(WithRecords("{", '{"version": 2}', FIRST), "c").stdout.splitlines()
    assert said[1].startswith("9 ")
    assert [line.startswith("a record cannot be read: ") for line in said[2:]] == [True, True]
    assert json.loads(serin(WithRecords("{"), "c", "-o", "json").stdout) == [{"unreadable": "{"}]


def test_there_is_no_record_yet(serin):
    assert serin(WithRecords(), "c").stdout == "c: no trial has been recorded yet\n"
    assert json.loads(serin(WithRecords(), "c", "-o", "json").stdout) == []


@pytest.mark.parametrize(
    ("cluster", "exit_code"),
    [
        (WithRecords(live=AbsentError("suggestionmodel 'c' not found")), 6),
        (WithRecords(error=ClusterError("not found")), 1),
    ],
    ids=["no such resource", "no cluster"],
)
def test_an_error_is_one_line(serin, cluster, exit_code):
    said = serin(cluster, "c")
    assert said.exit_code == exit_code
    assert said.stderr.startswith("serin: ")
    assert "not found" in said.stderr
    assert len(said.stderr.splitlines()) == 1
