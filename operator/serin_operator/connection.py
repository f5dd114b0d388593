"""The connection to the API server, the same one for both of its clients: kopf, which watches, and kubernetes.aio.

Address, credentials and certificates come from KUBECONFIG where it is set, and from the pod's service account
elsewhere. They are read again for each new connection, since tokens and certificate authorities are rotated.
"""

import os
import ssl
from pathlib import Path
from typing import Any

import kopf
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from serin_operator.proxies import proxy_for
from serin_operator.tls import without_extension_checks


async def load() -> Configuration:
    """Return what leads to the API server now. Raises ConfigException and OSError."""
    # The variables of the environment are read below: aiohttp would read them in another way.
    found = Configuration(client_session_kwargs={"trust_env": False})
    # Each watch keeps a connection of its own; the number of workers bounds the others.
    found.connection_pool_maxsize = 0
    if kubeconfig := os.environ.get("KUBECONFIG"):
        await config.load_kube_config(config_file=kubeconfig, client_configuration=found)
    else:
        config.load_incluster_config(client_configuration=found)
    found.proxy = found.proxy or proxy_for(found.host)
    return found


async def connect() -> ApiClient:
    """Return a new client. Raises ConfigException and OSError."""
    client = ApiClient(await load())
    without_extension_checks(client.rest_client.ssl_context)
    return client


def authorities(client: ApiClient) -> bytes:
    """Return the certificate authorities that a new connection would trust, b"" for those of the system."""
    file = client.configuration.ssl_ca_cert
    return b"" if file is None else Path(file).read_bytes()


class _Connection(kopf.ConnectionInfo):
    def as_ssl_context(self) -> ssl.SSLContext:
        return without_extension_checks(super().as_ssl_context())


async def login(**_kopf: Any) -> kopf.ConnectionInfo:
    """Log kopf in. Raises ConfigException and OSError."""
    found = await load()
    scheme, _, token = (await found.get_api_key_with_prefix("BearerToken") or "").partition(" ")
    return _Connection(
        server=found.host,
        ca_path=found.ssl_ca_cert,
        insecure=not found.verify_ssl,
        scheme=scheme or None,
        token=token.strip() or None,
        certificate_path=found.cert_file,
        private_key_path=found.key_file,
        proxy_url=found.proxy,
    )
