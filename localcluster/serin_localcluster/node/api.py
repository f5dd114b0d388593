"""Client of the API server for the node: JSON requests, and a watch that always reconnects."""

import asyncio
import base64
import json
import ssl
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import yaml

Json = dict[str, Any]
_TIMEOUT = aiohttp.ClientTimeout(total=15)


class ApiError(Exception):
    """The API server returned an error, or did not respond (status 0)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Api:
    """One connection pool for the whole node."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.server: str = cluster["server"]
        self.authority = base64.b64decode(cluster["certificate-authority-data"])
        context = ssl.create_default_context(cadata=self.authority.decode())
        with tempfile.TemporaryDirectory() as folder:
            certificate, key = Path(folder) / "crt", Path(folder) / "key"
            certificate.write_bytes(base64.b64decode(user["client-certificate-data"]))
            key.touch(mode=0o600)
            key.write_bytes(base64.b64decode(user["client-key-data"]))
            context.load_cert_chain(certificate, key)
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context, limit=50), timeout=_TIMEOUT)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def request(
        self, method: str, path: str, body: Any = None, *, content_type: str = "application/json"
    ) -> Json:
        """Send one request, return the JSON response. Raises ApiError."""
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": content_type, "Accept": "application/json"}
        try:
            async with self._session.request(method, self.server + path, data=data, headers=headers) as response:
                text = await response.text()
                if response.status >= 400:  # noqa: PLR2004 - HTTP
                    raise ApiError(response.status, text[:300])
                return dict(json.loads(text))
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ApiError(0, str(error) or type(error).__name__) from None

    async def get(self, path: str) -> Json:
        """Return an object. Raises ApiError."""
        return await self.request("GET", path)

    async def merge(self, path: str, body: Mapping[str, Any]) -> Json:
        """Merge-patch an object. Raises ApiError."""
        return await self.request("PATCH", path, body, content_type="application/merge-patch+json")

    async def watch(self, path: str, *, labels: str = "") -> AsyncIterator[tuple[str, Json]]:
        """Yield ("SYNC", list) after each new listing, then ("ADDED" | "MODIFIED" | "DELETED", object).

        `labels` is a label selector.
        """
        path = f"{path}?labelSelector={labels}"
        while True:
            try:
                listing = await self.get(path)
                yield "SYNC", listing
                version = listing["metadata"]["resourceVersion"]
                async for event in self.follow(path, version):
                    yield event["type"], event["object"]
            except (ApiError, aiohttp.ClientError, TimeoutError, ValueError):
                await asyncio.sleep(0.5)

    async def follow(self, path: str, version: str) -> AsyncIterator[Json]:
        """Yield the events of one watch after a version; `path` has a query already. Raises ApiError if it is old."""
        url = f"{self.server}{path}&watch=1&resourceVersion={version}&allowWatchBookmarks=true&timeoutSeconds=240"
        timeout = aiohttp.ClientTimeout(total=None, sock_read=300)
        buffer = b""
        async with self._session.get(url, timeout=timeout) as response:
            if response.status >= 400:  # noqa: PLR2004 - HTTP
                raise ApiError(response.status, (await response.text())[:300])
            async for chunk in response.content.iter_any():
                *lines, buffer = (buffer + chunk).split(b"\n")
                for line in lines:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise ApiError(int(event["object"].get("code", 0)), str(event["object"].get("message", "")))
                    if event["type"] != "BOOKMARK":
                        yield event
