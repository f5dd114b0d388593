"""The kubelet endpoint of container logs, for `kubectl logs`."""

import asyncio
import ssl
from pathlib import Path

from aiohttp import web

from serin_localcluster.controlplane import Credentials
from serin_localcluster.node.agent import KUBELET_PORT, Node


async def serve(node: Node, *, host: str, credentials: Credentials) -> web.AppRunner:
    """Serve until the returned runner is cleaned up. Clients need a certificate of the cluster's authority."""

    async def container_logs(request: web.Request) -> web.StreamResponse:
        file = _find(node, request, previous=request.query.get("previous") == "true")
        if file is None:
            raise web.HTTPNotFound(text="no such container on this node\n")
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        await _send(response, file, request)
        return response

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(credentials.authority.file))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(credentials.kubelet.certificate, credentials.kubelet.key)
    application = web.Application()
    application.add_routes([web.get("/containerLogs/{namespace}/{pod}/{container}", container_logs)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, KUBELET_PORT, ssl_context=context).start()
    return runner


def _find(node: Node, request: web.Request, *, previous: bool) -> Path | None:
    requested = request.match_info
    for agent in node.agents.values():
        metadata = agent.pod["metadata"]
        if (metadata["namespace"], metadata["name"]) == (requested["namespace"], requested["pod"]):
            for container in agent.containers:
                file = container.log_file(previous=previous)
                if container.name == requested["container"] and file.exists():
                    return file
    return None


async def _send(response: web.StreamResponse, file: Path, request: web.Request) -> None:
    tail = request.query.get("tailLines")
    content = file.read_bytes()  # noqa: ASYNC240 - a small local file
    if tail is not None and tail.isdigit():
        content = b"".join(content.splitlines(keepends=True)[-int(tail) :]) if int(tail) else b""
    await response.write(content)
    position = len(file.read_bytes())  # noqa: ASYNC240 - as above
    while request.query.get("follow") == "true" and file.exists():  # noqa: ASYNC240
        await asyncio.sleep(0.3)
        with file.open("rb") as stream:
            stream.seek(position)
            more = stream.read()
        position += len(more)
        if more:
            await response.write(more)
