"""delete, against a cluster that is a dictionary."""

import pytest
from cli.fakes import CANDIDATE, OLD, RUN, STABLE, FakeCluster, model, run

from serin_cli import confirmation, delete_action
from serin_cli.request_errors import AbsentError


class Deletable(FakeCluster):
    deleted = None

    def delete(self, name, *, keeps_children):
        self.deleted = (name, keeps_children)


@pytest.fixture
def serin(monkeypatch):
    return lambda cluster, *arguments, **settings: run(
        monkeypatch, delete_action.app, cluster, "categories", *arguments, **settings
    )


def test_it_shows_what_ends_and_what_is_kept(serin):
    cluster = Deletable(model(candidate=CANDIDATE, stable=STABLE))
    said = serin(cluster, "--yes")
    assert (said.exit_code, said.stdout, cluster.deleted) == (0, "shop/categories deleted\n", ("categories", False))
    assert said.stderr == (
        f"shop/categories: {OLD} serves users; the rollout of {RUN} ends, which serves 10 %.\n"
        "Its pods, Service and trial records are deleted: requests fail.\n"
        "Its status is lost: another SuggestionModel of this name begins with a new trial.\n"
        "The registry, Secrets, rules and the database are kept.\n"
    )


def test_orphan_keeps_the_pods(serin):
    cluster = Deletable(model(stable=STABLE))
    said = serin(cluster, "--yes", "--orphan")
    assert cluster.deleted == ("categories", True)
    assert "Its pods, Service and routing are kept and go on" in said.stderr
    assert "Its trial records are kept, too." in said.stderr


@pytest.mark.parametrize(
    ("candidate", "text"),
    [
        (
            CANDIDATE | {"percent": 0},
            f"the rules serve users; the rollout of {RUN} ends, which serves none of them yet.",
        ),
        (CANDIDATE | {"percent": 100, "holdback": 5}, f"the rollout of {RUN} ends, which serves 95 %."),
        (CANDIDATE | {"state": "RolledBack"}, "shop/categories: the rules serve users."),
    ],
)
def test_it_names_who_serves(serin, candidate, text):
    assert text in serin(Deletable(model(candidate=candidate)), "--yes").stderr


def test_the_tool_that_will_create_it_again_is_named(serin):
    live = model(stable=STABLE)
    live["metadata"]["labels"] = {"kustomize.toolkit.fluxcd.io/name": "apps"}
    said = serin(Deletable(live), "--yes")
    assert "The Flux Kustomization apps creates it again, without its status: suspend it" in said.stderr


def test_nothing_is_deleted_without_a_confirmation(serin, monkeypatch):
    cluster = Deletable(model(stable=STABLE))
    said = serin(cluster)
    assert (said.exit_code, cluster.deleted) == (1, None)
    assert said.stderr.endswith("serin: not confirmed: standard input is not a terminal; use --yes\n")
    monkeypatch.setattr(confirmation, "is_terminal", lambda: True)
    assert (serin(cluster, input="n\n").exit_code, cluster.deleted) == (1, None)
    assert (serin(cluster, input="y\n").exit_code, cluster.deleted) == (0, ("categories", False))


def test_one_that_does_not_exist_is_one_line(serin):
    said = serin(Deletable(AbsentError("suggestionmodel 'categories' not found in namespace 'shop'")), "--yes")
    assert (said.exit_code, said.stderr) == (6, "serin: suggestionmodel 'categories' not found in namespace 'shop'\n")


def test_a_resource_without_status_can_be_deleted(serin):
    live = model()
    del live["status"]
    cluster = Deletable(live)
    assert serin(cluster, "--yes").exit_code == 0
