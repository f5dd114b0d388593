"""promote, promote-full, pause, resume, retry, abort, against a cluster that is a dictionary."""

import pytest
from cli.fakes import CANDIDATE, OLD, RUN, STABLE, FakeCluster, model, run

from serin_cli import pause_actions, rollout_actions
from serin_core.contract.names import REQUEST_PREFIX


@pytest.fixture
def serin(monkeypatch, virtual_time):
    def call(cluster, verb, *arguments, **settings):
        app = pause_actions.app if verb in ("pause", "resume") else rollout_actions.app
        return run(monkeypatch, app, cluster, verb, *arguments, **settings)

    return call


@pytest.mark.parametrize(
    ("verb", "action", "names"),
    [
        ("promote", "promote", [RUN, "10"]),
        ("promote-full", "promote-full", [RUN]),
        ("pause", "pause", [RUN]),
        ("resume", "resume", [RUN]),
        ("retry", "retry", [RUN]),
        ("abort", "abort", [RUN]),
    ],
)
def test_a_request_names_the_run_the_time_the_user_and_the_reason(serin, verb, action, names):
    cluster = FakeCluster(model(candidate=CANDIDATE, stable=STABLE))
    said = serin(cluster, verb, "c", "--reason", "checked by hand")
    assert (said.exit_code, said.stdout) == (0, "Raised from 10 to 50 %.\n")
    value = cluster.requests[f"{REQUEST_PREFIX}{action}"].split()
    assert value[: len(names)] == names
    assert value[len(names)].endswith("Z")
    assert value[len(names) + 1 :] == ["by=jane@example.com", "checked", "by", "hand"]


@pytest.mark.parametrize("state", ["RolledBack", "Refused"])
def test_abort_without_a_running_rollout_writes_nothing_and_names_undo(serin, state):
    cluster = FakeCluster(model(candidate=CANDIDATE | {"state": state}, stable=STABLE))
    said = serin(cluster, "abort", "categories")
    assert (said.exit_code, cluster.requests) == (4, {})
    assert said.stderr == (
        f"serin: no rollout is running; {OLD} is stable. To take it out of service: kubectl serin undo categories\n"
    )


def test_abort_after_a_promotion_writes_nothing(serin):
    cluster = FakeCluster(model(stable=STABLE))
    assert serin(cluster, "abort", "categories").exit_code == 4
    assert cluster.requests == {}


def test_abort_accepts_no_run_but_the_candidate(serin):
    cluster = FakeCluster(model(candidate=CANDIDATE, stable=STABLE))
    said = serin(cluster, "abort", "c", "--run", OLD)
    assert (said.exit_code, cluster.requests) == (4, {})
    assert said.stderr == f"serin: {OLD} is not the candidate; the candidate is {RUN}\n"
    said = serin(cluster, "abort", "c", "--run", RUN)
    assert (said.exit_code, said.stderr) == (0, f"rolling back {RUN}\n")


@pytest.mark.parametrize("verb", ["promote", "promote-full", "pause", "resume", "retry", "abort"])
def test_a_request_without_a_run_is_refused(serin, verb):
    cluster = FakeCluster(model())
    said = serin(cluster, verb, "c")
    assert (said.exit_code, cluster.requests) == (4, {})
    assert "no r" in said.stderr


def test_an_ignored_request_ends_with_status_4(serin):
    cluster = FakeCluster(model(candidate=CANDIDATE), answer="Ignored: it is not running.")
    assert serin(cluster, "promote", "c").exit_code == 4


def test_a_request_without_an_answer_is_reported_with_the_way_to_withdraw_it(serin):
    cluster = FakeCluster(model(candidate=CANDIDATE))
    cluster.annotate = lambda name, annotations, spec: None
    said = serin(cluster, "retry", "c")
    assert said.exit_code == 5
    assert "the operator has not answered within 30 s; the request is pending" in said.stderr
    assert "kubectl annotate sgm c -n shop request.serin.dev/retry-" in said.stderr


def test_a_request_waits_for_the_first_status_and_reports_a_missing_operator(serin):
    said = serin(FakeCluster({"metadata": {"namespace": "shop", "name": "c", "generation": 1}}), "promote", "c")
    assert (said.exit_code, said.stderr) == (5, "serin: c has no status yet: is the operator running?\n")


@pytest.mark.parametrize("given", ["sgm/c", "suggestionmodel/c", "suggestionmodels.serin.dev/c"])
def test_a_name_may_carry_its_kind(serin, given):
    cluster = FakeCluster(model(candidate=CANDIDATE))
    assert serin(cluster, "promote", given).exit_code == 0


def test_a_name_of_another_kind_is_wrong_usage(serin):
    said = serin(FakeCluster(model(candidate=CANDIDATE)), "promote", "deploy/c")
    assert said.exit_code == 2
    assert "not a SuggestionModel" in said.stderr


@pytest.mark.parametrize("verb", ["promote", "promote-full", "pause", "resume", "retry", "abort"])
def test_a_request_that_is_replaced_before_it_was_answered_is_shown(serin, verb):
    live = model(candidate=CANDIDATE, stable=STABLE)
    key, earlier = f"{REQUEST_PREFIX}{verb}", f"{RUN} 2026-01-01T00:00:00Z by=joe"
    live["metadata"]["annotations"] = {key: earlier}
    cluster = FakeCluster(live)
    said = serin(cluster, verb, "c")
    assert said.exit_code == 0
    assert said.stderr.endswith(
        f"This replaces a request that the operator has not answered, and that will not act: {verb} {earlier}\n"
    )
    assert cluster.requests[key] != earlier


def test_a_request_that_was_answered_is_replaced_without_a_word(serin):
    live = model(candidate=CANDIDATE)
    key, other = f"{REQUEST_PREFIX}pause", f"{REQUEST_PREFIX}abort"
    live["metadata"]["annotations"] = {key: f"{RUN} earlier", other: f"{RUN} still waits"}
    cluster = FakeCluster(live)
    cluster.requests[key] = f"{RUN} earlier"
    assert serin(cluster, "pause", "c").stderr == ""


def test_a_user_whom_the_api_server_does_not_name_is_left_out(serin):
    cluster = FakeCluster(model(candidate=CANDIDATE))
    cluster.user = lambda: ""
    serin(cluster, "pause", "c", "--reason", "checked")
    assert "by=" not in cluster.requests[f"{REQUEST_PREFIX}pause"]
