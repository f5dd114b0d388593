"""Lists and watches over a socket."""

import asyncio
import json

import pytest
from aiohttp import web
from kubernetes.aio.client import ApiClient, Configuration

from serin_operator.interfaces import ClusterError, GoneError, Page, RefusedError, Selection
from serin_operator.kubernetes_client import KubernetesClient

PODS = Selection("Pod", labels="a")
METADATA = Selection("ConfigMap", "default", "!a", is_metadata_only=True)


def ask(answer, question):
    """Put a question to the watches of a client of a server; return the result and the requests that it received."""
    asked = []

    async def handle(request):
        asked.append(request)
        return await answer(request)

    async def run():
        application = web.Application()
        application.add_routes([web.route("*", "/{path:.*}", handle)])
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        client = KubernetesClient(ApiClient(Configuration(host=f"http://127.0.0.1:{runner.addresses[0][1]}")))
        try:
            return await question(client.watches)
        finally:
            await client.close()
            await runner.cleanup()

    return asyncio.run(run()), asked


def answering(body, *, status=200):
    async def answer(_request):
        return web.json_response(body, status=status)

    return answer


def streaming(*events, chunk=1 << 16):
    text = b"".join(json.dumps(event).encode() + b"\n" for event in events)

    async def answer(request):
        response = web.StreamResponse()
        await response.prepare(request)
        for start in range(0, len(text), chunk):
            await response.write(text[start : start + chunk])
        return response

    return answer


async def watch(watches, what=PODS):
    return [(event.type, event.object) async for event in watches.watch(what, "7")]


def event(kind, **fields):
    return {"type": kind, "object": {"apiVersion": "v1", "metadata": {"name": "a", "resourceVersion": "8"}} | fields}


def test_a_page_has_whole_objects_the_version_of_the_list_and_what_to_ask_for_next():
    metadata = {"resourceVersion": "9", "continue": "more"}
    body = {"apiVersion": "v1", "metadata": metadata, "items": [{"metadata": {"name": "a"}}]}
    page, (request,) = ask(answering(body), lambda watches: watches.list_page(PODS, "before"))
    assert page == Page(({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}},), "9", "more")
    assert request.path == "/api/v1/pods"
    assert dict(request.query) == {"labelSelector": "a", "limit": "100", "continue": "before"}
    assert request.headers["Accept"] == "application/json"


def test_only_metadata_is_asked_for_where_nothing_else_is_wanted():
    body = {"apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": "9"}, "items": []}
    _, (request,) = ask(answering(body), lambda watches: watches.list_page(METADATA))
    assert request.path == "/api/v1/namespaces/default/configmaps"
    assert request.headers["Accept"] == "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    _, (request,) = ask(streaming(), lambda watches: watch(watches, METADATA))
    assert request.headers["Accept"] == "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


def test_a_list_without_an_object_may_have_null_for_its_items():
    body = {"apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": "9"}, "items": None}
    page, _ = ask(answering(body), lambda watches: watches.list_page(METADATA))
    assert page == Page((), "9", "")


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20], ids=lambda size: f"in chunks of {size}")
def test_events_are_read_wherever_the_connection_cuts_them(chunk):
    found, (request,) = ask(streaming(event("ADDED"), event("BOOKMARK"), chunk=chunk), watch)
    assert [one[0] for one in found] == ["ADDED", "BOOKMARK"]
    assert found[0][1]["kind"] == "Pod"
    assert (request.query["resourceVersion"], request.query["allowWatchBookmarks"]) == ("7", "true")


def test_an_event_may_be_larger_than_any_buffer():
    large = "x" * (5 << 20)
    found, _ = ask(streaming(event("ADDED", data={"text": large}), event("DELETED"), chunk=1 << 20), watch)
    assert [one[0] for one in found] == ["ADDED", "DELETED"]
    assert found[0][1]["data"]["text"] == large


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (streaming(event("ADDED"), {"type": "ERROR", "object": {"code": 410, "message": "too old"}}), GoneError, "old"),
        (answering({"message": "too old"}, status=410), GoneError, "watch /api/v1/pods: too old"),
        (answering({"message": "no"}, status=403), RefusedError, "watch /api/v1/pods: no"),
        (streaming({"type": "ADDED", "object": {}}), ClusterError, "a line is not an event"),
    ],
    ids=["an error event", "too old at once", "forbidden", "something else"],
)
def test_what_ends_a_watch_is_an_error_by_its_kind(answer, error, message):
    with pytest.raises(error, match=message):
        ask(answer, watch)


def test_a_list_that_is_something_else_is_an_error():
    with pytest.raises(ClusterError, match="GET /api/v1/pods: the response is not a list of objects"):
        ask(answering({"kind": "Status"}), lambda watches: watches.list_page(PODS))
