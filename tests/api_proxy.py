"""A proxy in front of a real API server, for one operator."""

import ssl
import time
from contextlib import asynccontextmanager, suppress

import aiohttp
import yaml
from aiohttp import web

REFUSALS = {
    401: {},
    403: {},
    500: {},
    503: {"Retry-After": "120"},
    429: {"Retry-After": "120"},
}


class Proxy:
    """Passes requests on to the API server, and notes writes; or refuses them all with `status`."""

    def __init__(self, control_plane, credentials):
        self.upstream = yaml.safe_load(control_plane.kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
        self.tls = ssl.create_default_context(cafile=str(credentials.authority.file))
        self.tls.load_cert_chain(credentials.admin.certificate, credentials.admin.key)
        self.status, self.refused, self.open = None, 0, set()
        self.writes = []
        """Time, method and path of each."""

    async def handle(self, request):
        if self.status is not None:
            self.refused += 1
            body = {"kind": "Status", "code": self.status, "message": f"refused with {self.status}"}
            return web.json_response(body, status=self.status, headers=REFUSALS[self.status])
        if request.method != "GET":
            self.writes.append((time.monotonic(), request.method, request.path))
        headers = {name: request.headers[name] for name in ("Accept", "Content-Type") if name in request.headers}
        async with self.session.request(
            request.method, f"{self.upstream}{request.raw_path}", data=await request.read() or None, headers=headers
        ) as answer:
            response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
            await response.prepare(request)
            self.open.add(request.transport)
            # An operator that is killed leaves its watches.
            with suppress(aiohttp.ClientConnectionResetError):
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
        return response

    def refuse(self, status):
        self.status = status
        for transport in self.open:
            transport.abort()
        self.open.clear()

    @asynccontextmanager
    async def serving(self):
        application = web.Application()
        application.add_routes([web.route("*", "/{path:.*}", self.handle)])
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=self.tls), timeout=timeout) as self.session:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            try:
                yield f"http://127.0.0.1:{runner.addresses[0][1]}"
            finally:
                await runner.cleanup()
