"""undo and trust, against a cluster that is a dictionary."""

import pytest
from cli.fakes import CANDIDATE, OLD, OLDER, RUN, STABLE, FakeCluster, model, run

from serin_cli import confirmation, stable_actions
from serin_core.contract.names import REQUEST_PREFIX

DIGEST = "sha256:" + "a" * 64
EARLIER = {
    "runID": OLDER,
    "digest": DIGEST,
    "since": "2025-12-01T00:00:00.000000Z",
    "thresholds": {"default": 0.7, "perClass": {}},
    "calibration": True,
}
STOPPED = {"canary": {"percent": 0}}
ONLY_WITHOUT = "a run is declared as trusted only where there is none"
OWNED = {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}


@pytest.fixture
def serin(monkeypatch, virtual_time):
    return lambda cluster, *arguments, **settings: run(monkeypatch, stable_actions.app, cluster, *arguments, **settings)


def restorable(spec=None, **status):
    return model(stable=STABLE, spec={"runID": OLD} | (spec or {}), earlier=[EARLIER], **status)


def owned(live):
    live["metadata"]["labels"] = OWNED
    return live


def test_undo_names_the_stable_run_the_time_the_user_and_the_reason(serin):
    cluster = FakeCluster(model(stable=STABLE))
    said = serin(cluster, "undo", "c", "--yes", "--reason", "checked by hand")
    assert (said.exit_code, said.stdout) == (0, "Raised from 10 to 50 %.\n")
    value = cluster.requests[f"{REQUEST_PREFIX}undo"].split()
    assert value[0] == OLD
    assert value[2:] == ["by=jane@example.com", "checked", "by", "hand"]


@pytest.mark.parametrize(
    ("spec", "previous", "serving"),
    [({}, OLDER, OLDER), ({}, None, "the rules"), ({"rollback": {"to": "Rules"}}, OLDER, "the rules")],
    ids=["previous run", "no previous run", "rules as the spec wants"],
)
def test_undo_shows_which_run_will_serve(serin, spec, previous, serving):
    status = {"previous": {"runID": previous}} if previous else {}
    said = serin(FakeCluster(model(stable=STABLE, spec=spec, **status)), "undo", "c", "--yes")
    assert (said.exit_code, said.stdout) == (0, "Raised from 10 to 50 %.\n")
    assert said.stderr == f"{OLD} will be taken out of service; {serving} will serve instead.\n"


def test_undo_is_not_carried_out_without_a_confirmation(serin):
    cluster = FakeCluster(model(stable=STABLE))
    said = serin(cluster, "undo", "c")
    assert (said.exit_code, cluster.requests) == (1, {})
    assert said.stderr.endswith("serin: not confirmed: standard input is not a terminal; use --yes\n")


@pytest.mark.parametrize(("typed", "exit_code", "is_written"), [("y\n", 0, True), ("n\n", 1, False), ("\n", 1, False)])
def test_undo_asks_at_a_terminal(serin, monkeypatch, typed, exit_code, is_written):
    monkeypatch.setattr(confirmation, "is_terminal", lambda: True)
    cluster = FakeCluster(model(stable=STABLE))
    said = serin(cluster, "undo", "c", input=typed)
    assert (said.exit_code, bool(cluster.requests)) == (exit_code, is_written)


def test_undo_without_a_stable_run_is_refused(serin):
    cluster = FakeCluster(model(candidate=CANDIDATE))
    said = serin(cluster, "undo", "categories", "--yes")
    assert (said.exit_code, said.stderr) == (4, "serin: categories has no stable run; the rules serve all users\n")
    assert cluster.requests == {}


def test_undo_warns_that_the_evidence_of_a_running_rollout_is_reset(serin):
    said = serin(FakeCluster(model(candidate=CANDIDATE, stable=STABLE)), "undo", "c", "--yes")
    assert f"The evidence of {RUN}, whose rollout is running, will be reset." in said.stderr


def test_undo_is_refused_where_git_has_the_run_and_prints_what_to_commit(serin):
    cluster = FakeCluster(owned(restorable(previous=EARLIER)))
    said = serin(cluster, "undo", "c", "--yes")
    assert (said.exit_code, cluster.requests) == (4, {})
    assert said.stderr == (
        "serin: the Flux Kustomization flux-system/apps sets spec.runID. Commit this instead:\n"
        f"  spec:\n    runID: {OLDER}\n"
        "Or suspend it (flux suspend kustomization apps -n flux-system). To act before the commit takes effect, use "
        "--force.\n"
    )


def test_without_a_previous_run_the_commit_is_the_emergency_stop(serin):
    said = serin(FakeCluster(owned(model(stable=STABLE, spec={"runID": OLD}))), "undo", "c", "--yes")
    assert "  spec:\n    canary:\n      percent: 0\n" in said.stderr


def test_undo_with_force_acts_and_names_what_git_still_has(serin):
    cluster = FakeCluster(owned(restorable()))
    said = serin(cluster, "undo", "c", "--yes", "--force")
    assert (said.exit_code, len(cluster.requests)) == (0, 1)
    assert said.stderr.endswith(
        f"The Flux Kustomization flux-system/apps still has {OLD}: change spec.runID there too.\n"
    )


def test_undo_is_carried_out_where_git_has_another_run(serin):
    cluster = FakeCluster(owned(model(stable=STABLE, spec={"runID": RUN})))
    assert serin(cluster, "undo", "c", "--yes").exit_code == 0
    assert len(cluster.requests) == 1


def test_undo_to_sets_the_run_and_requests_its_restore_in_one_write(serin):
    cluster = FakeCluster(restorable())
    said = serin(cluster, "undo", "c", "--yes", "--to", OLDER, "--reason", "better at groceries")
    assert (said.exit_code, cluster.spec) == (0, {"runID": OLDER})
    value = cluster.requests[f"{REQUEST_PREFIX}restore"].split()
    assert (value[0], value[-1]) == (OLDER, "groceries")
    assert said.stderr == (f"{OLDER} will serve all users once every pod has loaded it; {OLD} serves until then.\n")


def test_undo_to_restores_the_settings_under_which_the_run_was_promoted(serin):
    spec = {
        "digest": "sha256:" + "b" * 64,
        "thresholds": {"default": 0.9, "perClass": {"Groceries": 0.8}},
        "calibration": False,
    }
    cluster = FakeCluster(restorable(spec, candidate=CANDIDATE))
    said = serin(cluster, "undo", "c", "--yes", "--to", OLDER)
    assert cluster.spec == {
        "runID": OLDER,
        "digest": DIGEST,
        "thresholds": {"default": 0.7, "perClass": {"Groceries": None}},
        "calibration": True,
    }
    assert "spec.thresholds and spec.calibration will be set to what it was promoted with." in said.stderr
    assert said.stderr.endswith(f"The rollout of {RUN} ends.\n")


def test_undo_to_is_refused_where_git_owns_the_field(serin):
    spec = {"thresholds": {"default": 0.9, "perClass": {"Groceries": 0.8}}}
    cluster = FakeCluster(owned(restorable(spec)))
    said = serin(cluster, "undo", "c", "--yes", "--to", OLDER)
    assert (said.exit_code, cluster.requests) == (4, {})
    assert f"  spec:\n    runID: {OLDER}\n    thresholds:\n      default: 0.7\n      perClass: {{}}\n" in said.stderr
    assert "--force" not in said.stderr


def test_undo_refuses_force_with_to_also_where_nobody_owns_the_field(serin):
    cluster = FakeCluster(restorable())
    said = serin(cluster, "undo", "c", "--yes", "--force", "--to", OLDER)
    assert (said.exit_code, cluster.requests, cluster.spec) == (2, {}, None)
    assert said.stderr == (
        "serin: --force cannot be used with --to, which edits spec.runID: Argo CD, Flux or Helm would set it back\n"
    )


@pytest.mark.parametrize(
    ("to", "spec", "reason"),
    [
        (RUN, {}, f"{RUN} cannot be restored; {OLDER} can"),
        (OLD, {}, f"{OLD} is the stable run already"),
        (
            OLDER,
            {"canary": {"percent": 0}},
            "spec.canary.percent is 0, so that no user would be served; set it to 100 first",
        ),
    ],
)
def test_undo_to_what_cannot_be_restored_writes_nothing(serin, to, spec, reason):
    cluster = FakeCluster(restorable(spec))
    said = serin(cluster, "undo", "c", "--yes", "--to", to)
    assert (said.exit_code, said.stderr, cluster.requests) == (4, f"serin: {reason}\n", {})


@pytest.mark.parametrize("digest", [None, DIGEST])
def test_trust_names_the_run_and_its_digest(serin, digest):
    cluster = FakeCluster(model(candidate=CANDIDATE))
    given = ["--digest", digest] if digest else []
    said = serin(cluster, "trust", "c", "--run", OLD, *given, "--yes", "--reason", "restored")
    assert said.exit_code == 0
    value = cluster.requests[f"{REQUEST_PREFIX}trust"].split()
    assert value[: 1 + bool(digest)] == [OLD, *([digest] if digest else [])]
    assert said.stderr == (
        f"{OLD} will serve all users without shadow and steps, once every pod has loaded it. "
        f"The rollout of {RUN} ends.\n"
    )


def test_trust_asks_first(serin):
    cluster = FakeCluster(model(candidate=CANDIDATE))
    said = serin(cluster, "trust", "c", "--run", OLD)
    assert (said.exit_code, cluster.requests) == (1, {})


@pytest.mark.parametrize(
    ("live", "arguments", "exit_code", "reason"),
    [
        (
            model(stable=STABLE),
            ["--run", RUN],
            4,
            f"{OLD} is stable; a run is declared as trusted only where there is none",
        ),
        (model(), ["--run", RUN, "--digest", "abc"], 2, "abc is not a digest; write sha256: and 64 hexadecimal digits"),
    ],
)
def test_trust_that_cannot_act_writes_nothing(serin, live, arguments, exit_code, reason):
    cluster = FakeCluster(live)
    said = serin(cluster, "trust", "c", *arguments, "--yes")
    assert (said.exit_code, said.stderr, cluster.requests) == (exit_code, f"serin: {reason}\n", {})
