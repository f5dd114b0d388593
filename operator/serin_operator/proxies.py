"""Which HTTP proxy leads to an address, by HTTP_PROXY, HTTPS_PROXY and NO_PROXY as Go's programs read them.

Python's own reading knows no networks in NO_PROXY, and the address of the API server in a cluster is mostly excluded
by one (10.96.0.0/12). Pods are never reached through a proxy: pod_client does not look here.
"""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies_environment

_PORTS: Final = {"http": 80, "https": 443}
_WITH_PORT: Final = re.compile(r"(.+):(\d+)")
_SERVICE: Final = re.compile(r"[^.]+\.[^.]+\.svc(\..+)?")
"""A Service's name in any cluster domain, which no proxy outside of the cluster could resolve."""


def proxy_for(url: str) -> str | None:
    """Return the address of the proxy to use for a URL, None to connect directly."""
    parts, proxies = urlsplit(url), getproxies_environment()
    host, port = (parts.hostname or "").rstrip("."), parts.port or _PORTS[parts.scheme]
    if _is_internal(host) or any(_excludes(entry, host, port) for entry in proxies.get("no", "").lower().split(",")):
        return None
    return proxies.get(parts.scheme)


def _is_internal(host: str) -> bool:
    address = _address(host)
    is_loopback = host == "localhost" if address is None else address.is_loopback
    return is_loopback or _SERVICE.fullmatch(host) is not None


def _excludes(entry: str, host: str, port: int) -> bool:
    """Return whether an entry of NO_PROXY names a host: `*`, a network, or an address or domain, maybe with a port."""
    entry, address, wanted = entry.strip(), _address(host), ""
    if entry == "*":
        return True
    if "/" in entry:
        return address is not None and _contains(entry, address)
    if _address(entry) is None and (found := _WITH_PORT.fullmatch(entry)):
        entry, wanted = found.groups()
    if wanted not in ("", str(port)):
        return False
    if address is not None:
        return address == _address(entry.strip("[]"))
    domain = entry.removeprefix("*").removeprefix(".")
    return domain != "" and (host == entry or host.endswith(f".{domain}"))


def _contains(network: str, address: IPv4Address | IPv6Address) -> bool:
    try:
        return address in ip_network(network, strict=False)
    except ValueError:
        return False


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
