"""One list of environment variables: the operator sets none that the server does not read, and the page lists all."""

import re
from pathlib import Path

from models.parts import spec

from serin_core.api.resource import Resource
from serin_core.api.status import Status
from serin_core.contract import environment
from serin_core.contract.environment import Variable
from serin_core.kubernetes import pod_template
from serin_core.kubernetes.inputs import ServerImage
from serin_server import environment as reader
from serin_server.environment import pod_settings

PAGE = Path(__file__).parents[2] / "docs" / "server.md"


def rendered() -> dict[str, str]:
    """Every variable of a pod whose resource uses all that a resource can have."""
    store = {"postgres": {"secretName": "db"}, "retention": "400d"}
    server = {"token": {"secretName": "tokens"}, "store": store, "keepAliveSeconds": 650}
    server |= {"proxy": {"http": "http://p", "https": "http://p", "noProxy": [".svc", "10.0.0.0/8"]}}
    server |= {"tls": {"secretName": "tls"}}
    server |= {"caBundle": {"secretName": "ca"}}
    resource = Resource(
        "shop", "categories", "u", 1, "1", spec("run_aaaaaaaa_1", registry={"uri": "s3://runs"}, server=server), None
    )
    template = pod_template.render(resource, Status(), model_name="m", image=ServerImage("i", public_key="key"))
    return {one["name"]: one.get("value", "") for one in template["spec"]["containers"][0]["env"]}


def names(variables: tuple[Variable, ...]) -> set[str]:
    return {variable.name for variable in variables}


def test_every_variable_that_the_operator_sets_is_read_by_the_server() -> None:
    assert set(rendered()) <= names(environment.SERVER) | names(environment.LIBRARIES)


def test_every_variable_of_libraries_can_be_set_in_a_resource() -> None:
    assert names(environment.LIBRARIES) <= set(rendered())
    assert rendered()["NO_PROXY"] == ".svc,10.0.0.0/8"
    assert rendered()["SSL_CERT_FILE"] == "/etc/serin/ca/ca.crt"


def test_the_server_reads_the_variables_of_the_list_and_no_others() -> None:
    read = {field.alias for field in reader._PodVariables.model_fields.values()}
    assert read == names(environment.SERVER)
    routing = {field.alias for field in reader._StandaloneVariables.model_fields.values()}
    assert routing | {"XDG_CACHE_HOME"} == names(environment.SERVE)


def test_every_default_is_valid() -> None:
    defaults = {variable.name: variable.default for variable in environment.SERVER}
    assert pod_settings(defaults | {"SERIN_UID": "u"}) == pod_settings({"SERIN_UID": "u"})


def test_the_page_lists_the_variables_with_their_defaults() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.*) \| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    expected = [
        (variable.name, variable.meaning, f"`{variable.default}`" if variable.default else "")
        for variable in (*environment.SERVER, *environment.LIBRARIES, *environment.SERVE)
    ]
    assert rows == expected
