"""lint: destinations of notifications, alone and with the operator's configuration."""

import pytest
from cli.test_lint import manifest

from serin_cli.lint_configuration import configuration_findings
from serin_cli.lint_schema import schema_findings
from serin_core.api.spec import SuggestionModelSpec

spec_of = SuggestionModelSpec.model_validate
CONFIGURATION = {"prometheus": {"default": {"url": "http://prometheus"}}, "notifications": {"team-ml": {}, "audit": {}}}


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (["Team"], "error: spec.notifications[0]: 'Team' is not a name: use lower-case letters, digits, - and ."),
        (["audit", "audit"], "error: spec.notifications: each destination can be named once"),
        ([f"a{number}" for number in range(11)], "error: spec.notifications: too long: at most 10 entries"),
        ("audit", "error: spec.notifications: 'audit' is not a list"),
    ],
)
def test_a_list_of_destinations_that_cannot_be_used_is_an_error(named, expected):
    assert [str(one) for one in schema_findings(manifest(notifications=named))] == [expected]


def test_a_destination_that_the_configuration_does_not_have_is_an_error():
    assert (
        list(configuration_findings(spec_of(manifest(notifications=["audit", "team-ml"])["spec"]), CONFIGURATION)) == []
    )
    (found,) = configuration_findings(spec_of(manifest(notifications=["audit", "team-m"])["spec"]), CONFIGURATION)
    assert found.path == "spec.notifications[1]"
    assert found.message == (
        "'team-m' is no destination of notifications of the operator's configuration (known: audit, team-ml); "
        "did you mean team-ml?"
    )


def test_a_configuration_without_destinations_has_none():
    (found,) = configuration_findings(
        spec_of(manifest(notifications=["audit"])["spec"]), {"prometheus": {"default": {}}}
    )
    assert "(known: none)" in str(found)
