"""`kubectl serin doctor`: findings of the installation."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cli.doctor_examples import HEALTHY, NO_RIGHT, NOW, deployment, lease

from serin_cli.doctor.installation import installation_results, tag_of
from serin_cli.doctor.results import Outcome, Unread
from serin_cli.doctor.samples import samples
from serin_cli.doctor.seen import Readiness
from serin_cli.doctor.text import summary


def of_installation(check, **changes):
    (found,) = [one for one in installation_results(replace(HEALTHY, **changes)) if one.check == check]
    return found.outcome, found.found, found.remedy


def test_a_healthy_installation_has_no_finding_and_nothing_to_do():
    found = installation_results(HEALTHY)
    assert {(one.outcome, one.remedy) for one in found} == {(Outcome.OK, "")}
    assert summary(found) == f"no problems found; {len(found)} results"


@pytest.mark.parametrize(
    ("check", "changes", "outcome", "text"),
    [
        ("resource definition", {"definition": None}, Outcome.PROBLEM, "is not served in version v1alpha1"),
        (
            "resource definition",
            {"definition": {"spec": {"versions": [{"name": "v1alpha1", "served": False}]}}},
            Outcome.PROBLEM,
            "is not served",
        ),
        ("resource definition", {"definition": NO_RIGHT}, Outcome.UNKNOWN, 'User "jane" cannot list'),
        ("operator", {"deployments": []}, Outcome.PROBLEM, "there is no operator in namespace serin-system"),
        ("operator", {"deployments": [deployment(ready=0)]}, Outcome.PROBLEM, "0 of 2 pods"),
        ("operator", {"deployments": [deployment(ready=1)]}, Outcome.WARNING, "1 of 2 pods"),
        ("operator", {"deployments": NO_RIGHT}, Outcome.UNKNOWN, "cannot list"),
        ("versions", {"version": "0.2.0"}, Outcome.WARNING, "this program is 0.2.0, the operator 0.1.0"),
        ("versions", {"deployments": [deployment("operator@sha256:00")]}, Outcome.UNKNOWN, "has no version"),
        ("versions", {"deployments": NO_RIGHT}, Outcome.UNKNOWN, "cannot list"),
        ("leader", {"leases": []}, Outcome.WARNING, "there is no Lease"),
        ("leader", {"leases": [lease(holder="")]}, Outcome.PROBLEM, "nobody holds the Lease"),
        ("leader", {"leases": [lease(age=600)]}, Outcome.PROBLEM, "has not renewed the Lease"),
        ("leader", {"leases": NO_RIGHT}, Outcome.UNKNOWN, "cannot list"),
        (
            "readiness",
            {"readiness": {"one": Readiness(is_ready=True, answer=NO_RIGHT)}},
            Outcome.UNKNOWN,
            "cannot list",
        ),
        (
            "readiness",
            {"readiness": {"one": Readiness(is_ready=False, answer=Unread("503: Kubernetes 1.29 is too old"))}},
            Outcome.PROBLEM,
            "one is not ready: 503: Kubernetes 1.29 is too old",
        ),
        ("operator metrics", {"metrics": {"one": NO_RIGHT}}, Outcome.UNKNOWN, "cannot list"),
        (
            "operator metrics",
            {"metrics": {"one": list(samples('serin_operator_readings_total{outcome="Unreachable"} 7'))}},
            Outcome.PROBLEM,
            "one has never read the counts of a stage from Prometheus since its start: Unreachable 7",
        ),
        (
            "operator metrics",
            {
                "metrics": {
                    "one": list(
                        samples(
                            'serin_suggestionmodel_errors_total{name="a",cause="Timeout"} 2\n'
                            'serin_suggestionmodel_errors_total{name="b",cause="Timeout"} 1\n'
                            'serin_suggestionmodel_errors_total{name="a",cause="Conflict"} 9'
                        )
                    )
                }
            },
            Outcome.WARNING,
            "errors of one since its start: Timeout 3",
        ),
        ("your rights", {"rights": {"act": False}}, Outcome.WARNING, "you may not act"),
        ("your rights", {"rights": {"act": NO_RIGHT}}, Outcome.UNKNOWN, "cannot list"),
    ],
)
def test_each_finding_of_the_installation(check, changes, outcome, text):
    found, message, remedy = of_installation(check, **changes)
    assert found is outcome
    assert text in message
    assert bool(remedy) is (outcome is not Outcome.UNKNOWN)


@pytest.mark.parametrize(("leads", "minutes", "is_late"), [(1, 16, True), (1, 14, False), (0, 16, False)])
def test_a_leading_operator_that_does_not_check_a_model(leads, minutes, is_late):
    moment = (NOW - timedelta(minutes=minutes)).timestamp()
    series = f'serin_suggestionmodel_last_check_timestamp_seconds{{namespace="shop",name="a"}} {moment}'
    read = list(samples(f"serin_operator_leader {leads}\n{series}"))
    found = [
        one for one in installation_results(replace(HEALTHY, metrics={"one": read})) if one.outcome is not Outcome.OK
    ]
    expected = [(Outcome.PROBLEM, "one leads, and has not checked for 15 minutes: shop/a")] if is_late else []
    assert [(one.outcome, one.found) for one in found] == expected


@pytest.mark.parametrize(
    ("image", "tag"),
    [
        ("serin-operator:v1.2.3", "1.2.3"),
        ("localhost:5000/serin-operator", ""),
        ("localhost:5000/serin-operator:0.1.0@sha256:00", "0.1.0"),
        ("serin-operator:latest", ""),
    ],
)
def test_the_version_of_an_image(image, tag):
    assert tag_of(image) == tag
