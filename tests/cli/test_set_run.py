"""set-run, against a cluster that is a dictionary."""

import pytest
from cli.fakes import CANDIDATE, OLD, OLDER, RUN, STABLE, FakeCluster, model, run

from serin_cli import confirmation, set_run
from serin_cli.request_errors import ClusterError

NEW = "run_44444444_1770000000"
DIGEST = "sha256:" + "a" * 64
EARLIER = {"runID": OLDER, "digest": DIGEST, "since": "2025-12-01T00:00:00.000000Z"}
FLUX = {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}


class Editable(FakeCluster):
    """Keeps the edits of its spec; `error` is the API server's answer to each."""

    def __init__(self, live, error=None):
        super().__init__(live)
        self.error, self.edits = error, []

    def edit(self, name, spec, *, dry_run=False):
        self.edits.append(("dry run" if dry_run else "edit", spec))
        if self.error:
            raise self.error


@pytest.fixture
def serin(monkeypatch):
    return lambda cluster, *arguments, **settings: run(
        monkeypatch, set_run.app, cluster, "categories", *arguments, **settings
    )


def promoted(**changes):
    return model(stable=STABLE, spec={"runID": OLD}, **changes)


def test_the_run_is_set_after_the_api_server_has_checked_it(serin):
    cluster = Editable(promoted())
    said = serin(cluster, NEW)
    assert (said.exit_code, said.stderr) == (0, f"{NEW} will be rolled out against {OLD}, beginning in shadow.\n")
    assert said.stdout == (f"shop/categories: spec.runID set to {NEW}. To follow it: kubectl serin watch categories\n")
    assert cluster.edits == [("dry run", {"runID": NEW}), ("edit", {"runID": NEW})]


@pytest.mark.parametrize(
    ("live", "wanted", "text"),
    [
        (promoted(earlier=[EARLIER]), OLDER, "was promoted before: it will serve all users without a trial"),
        (promoted(rejected=[{"runID": NEW}]), NEW, "was rolled back before: it is not rolled out again without"),
        (model(spec={}), NEW, "will be rolled out against the rules, beginning in shadow"),
    ],
)
def test_it_shows_what_the_operator_will_do(serin, live, wanted, text):
    said = serin(Editable(live), wanted)
    assert said.exit_code == 0
    assert text in said.stderr


def test_a_running_rollout_ends_only_after_a_confirmation(serin, monkeypatch):
    cluster = Editable(model(candidate=CANDIDATE, stable=STABLE, spec={"runID": RUN}))
    said = serin(cluster, NEW)
    assert (said.exit_code, cluster.edits) == (1, [("dry run", {"runID": NEW})])
    assert f"The rollout of {RUN}, which serves 10 %, ends. {NEW} will be rolled out" in said.stderr
    monkeypatch.setattr(confirmation, "is_terminal", lambda: True)
    assert serin(cluster, NEW, input="y\n").exit_code == 0
    assert f"{OLD} is the stable run and stays it" in serin(cluster, OLD, "--yes").stderr


def test_a_name_that_the_api_server_refuses_changes_nothing(serin):
    cluster = Editable(promoted(), ClusterError("the API server answered 422 Unprocessable Entity: spec.runID"))
    said = serin(cluster, "v2", "--yes")
    assert (said.exit_code, said.stderr) == (1, "serin: the API server answered 422 Unprocessable Entity: spec.runID\n")
    assert cluster.edits == [("dry run", {"runID": "v2"})]


def test_the_same_run_is_no_change(serin):
    cluster = Editable(promoted())
    assert serin(cluster, OLD).stdout == f"shop/categories: spec.runID is {OLD} already; nothing was changed\n"
    assert cluster.edits == []


def test_where_git_has_the_run_it_prints_what_to_commit(serin):
    live = promoted()
    live["metadata"]["labels"] = FLUX
    cluster = Editable(live)
    said = serin(cluster, NEW, "--yes")
    assert said.exit_code == 4
    assert f"Commit this instead:\n  spec:\n    runID: {NEW}\n" in said.stderr
    assert "--force" not in said.stderr
    assert [kind for kind, _ in cluster.edits] == ["dry run"]


def test_a_pinned_digest_is_replaced_only_by_a_known_one(serin):
    live = model(stable=STABLE, spec={"runID": OLD, "digest": "sha256:b"}, earlier=[EARLIER])
    said = serin(Editable(live), NEW)
    assert said.exit_code == 4
    assert said.stderr.startswith(f"serin: spec.digest pins the digest of {OLD}; add --digest")
    cluster = Editable(live)
    assert serin(cluster, NEW, "--digest", DIGEST).exit_code == 0
    assert cluster.edits[-1] == ("edit", {"runID": NEW, "digest": DIGEST})
    assert serin(cluster, OLDER).exit_code == 0
    assert cluster.edits[-1] == ("edit", {"runID": OLDER, "digest": DIGEST})
    assert serin(cluster, NEW, "--digest", "b").exit_code == 2
