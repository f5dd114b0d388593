"""Requests over a socket: what an apply leaves in place is removed by a second write, which is made only then."""

import asyncio
import copy
import json
import math

import pytest
from aiohttp import web
from kubernetes.aio.client import ApiClient, Configuration

from serin_core.kubernetes import diff
from serin_operator.interfaces import BusyError, ClusterError, NotFoundError, NotLeaderError, RefusedError
from serin_operator.kubernetes_client import KubernetesClient

CONTAINER = {"name": "server", "env": [{"name": "A", "value": "1"}]}
RENDERED = {
    "kind": "Deployment",
    "metadata": {"namespace": "default", "name": "x"},
    "spec": {"template": {"spec": {"containers": [CONTAINER]}}},
}


async def apply_over(live):
    async def apply(cluster):
        await cluster.apply(RENDERED, "7")

    return await ask(live, apply)


async def ask(live, question, *, status=200, headers=None, delay=0, seconds_to_write=lambda: math.inf, **settings):
    """Call a server that responds to everything with `live`, and return the requests that it received, or an answer."""
    asked = []

    async def answer(request):
        await asyncio.sleep(delay)
        asked.append((request.method, await request.json() if request.can_read_body else None))
        return web.Response(text=live if isinstance(live, str) else json.dumps(live), status=status, headers=headers)

    application = web.Application()
    application.add_routes([web.route("*", "/{path:.*}", answer)])
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host = f"http://127.0.0.1:{runner.addresses[0][1]}"
    cluster = KubernetesClient(ApiClient(Configuration(host=host)), seconds_to_write, **settings)
    try:
        answered = await question(cluster)
    finally:
        await cluster.close()
        await runner.cleanup()
    return asked if answered is None else answered


def live(**container):
    found = copy.deepcopy(RENDERED)
    found["metadata"] |= {"resourceVersion": "8"}
    found["spec"]["template"]["spec"]["containers"] = [CONTAINER | container]
    return found


def test_a_secret_is_created_by_one_request_since_the_operator_may_not_change_it():
    entry = {"manager": "serin-operator", "operation": "Update"}
    stored = {"metadata": {"namespace": "own", "name": "key", "managedFields": [entry]}}

    async def create(cluster):
        await cluster.create_secret(stored)

    assert [method for method, _ in asyncio.run(ask(stored, create))] == ["POST"]


def test_what_an_apply_corrects_needs_no_second_write():
    assert [method for method, _ in asyncio.run(apply_over(live()))] == ["PATCH"]


@pytest.mark.parametrize(
    "addition",
    [{"env": [*CONTAINER["env"], {"name": "SERIN_ALLOW_ANONYMOUS", "value": "true"}]}, {"command": ["sh"]}],
    ids=["a variable", "a command"],
)
def test_additions_of_others_are_removed_at_the_version_that_the_apply_made(addition):
    asked = asyncio.run(apply_over(live(**addition)))
    assert asked[1] == ("PUT", live())


def test_an_item_of_a_list_holds_what_was_rendered_for_it():
    rendered = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"a": "b"}}
    item = {"metadata": {"name": "x"}, "data": {"a": "b"}}
    answer = {"apiVersion": "v1", "kind": "ConfigMapList", "items": [item]}
    found = asyncio.run(ask(answer, lambda cluster: cluster.list("ConfigMap", "default", {"a": "b"})))
    assert diff.holds(found[0], rendered)


def test_an_apply_returns_the_object_as_it_stands_afterwards():
    assert asyncio.run(ask(live(), lambda cluster: cluster.apply(RENDERED, "7"))) == live()
    added = live(command=["sh"])
    # This server, like a webhook, adds it again.
    assert asyncio.run(ask(added, lambda cluster: cluster.apply(RENDERED, "7"))) == added


def refusal(status, message):
    async def question(cluster):
        with pytest.raises(ClusterError) as caught:
            await cluster.create(RENDERED)
        return caught.value

    return asyncio.run(ask({"message": message}, question, status=status))


def test_a_webhook_that_does_not_respond_is_a_refusal_and_no_failure_of_the_api_server():
    webhook = 'Internal error occurred: failed calling webhook "a.b": connection refused'
    assert isinstance(refusal(500, webhook), RefusedError)
    assert not isinstance(refusal(500, "etcd: no leader"), RefusedError)


@pytest.mark.parametrize("text", ["<html>Sign in</html>", "[]", '"ok"', "null", '{"items": '])
def test_a_response_that_is_not_a_json_object_is_one_clear_error(text):
    def question(cluster):
        return cluster.get("Pod", "default", "pod-1")

    path = "GET /api/v1/namespaces/default/pods/pod-1"
    with pytest.raises(ClusterError) as caught:
        asyncio.run(ask(text, question))
    assert str(caught.value) == f"{path}: the response is not a JSON object: {text.strip()}"
    with pytest.raises(ClusterError) as caught:
        asyncio.run(ask(text, question, status=502))
    assert str(caught.value) == f"{path}: {text.strip()} (502)"


def test_events_that_may_not_be_read_are_none():
    def question(cluster):
        return cluster.list_events("default", "uid-1")

    assert asyncio.run(ask({"message": "forbidden"}, question, status=403)) == ()
    assert asyncio.run(ask({"items": [{"message": "m"}]}, question)) == [{"message": "m"}]


def test_a_node_that_may_not_be_read_is_unknown_and_one_that_does_not_exist_is_an_error():
    async def question(cluster):
        return {"node": await cluster.get_node("node-1")}

    assert asyncio.run(ask({"message": "forbidden"}, question, status=403)) == {"node": None}
    assert asyncio.run(ask({"kind": "Node"}, question)) == {"node": {"kind": "Node"}}
    with pytest.raises(NotFoundError):
        asyncio.run(ask({"message": "nodes not found"}, question, status=404))


def test_a_lost_pod_is_deleted_at_once_and_only_the_one_that_was_meant():
    def question(cluster):
        return cluster.delete_lost_pod("default", "pod-1", "uid-1")

    body = {"preconditions": {"uid": "uid-1"}, "gracePeriodSeconds": 0}
    assert asyncio.run(ask({}, question)) == [("DELETE", body)]


LEASE = {"kind": "Lease", "metadata": {"namespace": "serin-system", "name": "serin-operator"}, "spec": {}}
WRITES = {
    "create": lambda cluster: cluster.create(RENDERED),
    "apply": lambda cluster: cluster.apply(RENDERED, "7"),
    "put_status": lambda cluster: cluster.put_status("default", "x", {}, "7"),
    "annotate_pod": lambda cluster: cluster.annotate_pod("default", "x", uid="u", expected=("a", "b"), annotations={}),
    "delete": lambda cluster: cluster.delete("Pod", "default", "x", resource_version=None, uid="u"),
    "delete_lost_pod": lambda cluster: cluster.delete_lost_pod("default", "x", "u"),
    "evict": lambda cluster: cluster.evict("default", "x"),
    "post_event": lambda cluster: cluster.post_event({"metadata": {"namespace": "default"}}),
    "repeat_event": lambda cluster: cluster.repeat_event("default", "x", {}),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_an_operator_that_does_not_lead_sends_no_write(write):
    async def question(cluster):
        with pytest.raises(NotLeaderError, match="not sent, because this operator does not lead"):
            await write(cluster)

    assert asyncio.run(ask({}, question, seconds_to_write=lambda: 0.0)) == []


def test_a_standby_reads_and_takes_the_lease():
    async def question(cluster):
        await cluster.get("Pod", "default", "x")
        await cluster.read_lease("serin-system", "serin-operator", is_exact=False)
        await cluster.write_lease(LEASE)
        await cluster.write_lease(LEASE | {"metadata": LEASE["metadata"] | {"resourceVersion": "1"}})

    asked = asyncio.run(ask(LEASE, question, seconds_to_write=lambda: 0.0))
    assert [method for method, _ in asked] == ["GET", "GET", "POST", "PUT"]


def test_a_write_under_way_is_given_up_before_another_operator_may_lead():
    async def question(cluster):
        started = asyncio.get_running_loop().time()
        with pytest.raises(ClusterError, match="POST"):
            await cluster.create(RENDERED)
        return asyncio.get_running_loop().time() - started

    assert 0.1 <= asyncio.run(ask({}, question, delay=60, seconds_to_write=lambda: 0.1)) < 10


def turned_away(request, *, retry_after):
    """Make a request of an API server that is overloaded; return the error, the attempts and the waits in seconds."""
    waits, errors = [], []

    async def sleep(seconds):
        waits.append(seconds)

    async def attempt(cluster):
        with pytest.raises(BusyError) as caught:
            await request(cluster)
        errors.append(caught.value)

    body = {"message": "too many requests, please try again later"}
    asked = asyncio.run(ask(body, attempt, status=429, headers={"Retry-After": retry_after}, sleep=sleep))
    return errors[0], [method for method, _ in asked], waits


def read(cluster):
    return cluster.get("ConfigMap", "default", "x")


@pytest.mark.parametrize(("request_", "method"), [(read, "GET"), (lambda one: one.apply(RENDERED, "7"), "PATCH")])
def test_an_overloaded_api_server_is_asked_again_after_the_time_that_it_names(request_, method):
    error, attempts, waits = turned_away(request_, retry_after="2")
    assert attempts == [method] * 3
    assert len(waits) == 2
    assert all(2 <= wait <= 2.5 for wait in waits)
    assert error.retry_after == 2
    assert "too many requests" in str(error)


@pytest.mark.parametrize(
    ("named", "seconds"), [("600", 600), ("0", 0), ("-1", 0), ("soon", 0), ("Sun, 01 Mar 2026 12:00:00 GMT", 0)]
)
def test_no_request_waits_for_long_or_for_a_time_that_is_none(named, seconds):
    error, attempts, waits = turned_away(read, retry_after=named)
    assert (attempts, waits, error.retry_after) == (["GET"], [], seconds)


def test_no_pass_waits_for_an_eviction():
    error, attempts, waits = turned_away(lambda cluster: cluster.evict("default", "x"), retry_after="2")
    assert (attempts, waits, error.retry_after) == (["POST"], [], 2)


def test_the_time_of_the_api_server_is_read_from_its_responses():
    dates = []
    date = "Sun, 01 Mar 2026 12:00:00 GMT"

    async def question(cluster):
        await cluster.get("ConfigMap", "default", "x")

    asyncio.run(ask({"kind": "ConfigMap"}, question, headers={"Date": date}, follow_date=dates.append))
    assert dates == [date]


def test_the_time_of_a_proxy_that_responds_with_an_error_is_not_used():
    dates = []

    async def question(cluster):
        with pytest.raises(ClusterError, match="503"):
            await cluster.get("ConfigMap", "default", "x")

    asyncio.run(
        ask("<html>", question, status=503, headers={"Date": "Sun, 01 Mar 2026 12:00:00 GMT"}, follow_date=dates.append)
    )
    assert dates == []
