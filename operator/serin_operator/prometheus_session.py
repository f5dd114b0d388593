"""How queries reach one Prometheus: credentials, certificates and forms.

Everything secret comes from files that are read at every query, so that it may be rotated without a restart. It is
added to a copy of the request just before it is sent: a redirect to another place never carries it, and no error
repeats it.
"""

import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import DEFAULT_POOLSIZE, HTTPAdapter
from urllib3.util.retry import Retry
from urllib3.util.ssl_ import create_urllib3_context

from serin_operator.credentials import credential_headers
from serin_operator.proxies import proxy_for
from serin_operator.settings import Endpoint
from serin_operator.tls import without_extension_checks


def session_for(settings: Endpoint, *, threads: int) -> requests.Session:
    """Return a session that sends what an endpoint asks for, and that threads may share."""
    session = _FormSession()
    # Proxies and certificates from the environment are read once, not at every query.
    ca_file = None if settings.ca_file is None else str(settings.ca_file)
    environment = session.merge_environment_settings(settings.url, {}, None, ca_file, None)
    proxy = proxy_for(settings.url)
    session.proxies = {} if proxy is None else {urlsplit(settings.url).scheme: proxy}
    session.verify = environment["verify"]
    session.trust_env = False
    if settings.client_certificate_file is not None:
        session.cert = (str(settings.client_certificate_file), str(settings.client_key_file))
    # The adapter sends to this address only, as requests writes it: a redirect elsewhere gets requests' own adapter.
    # It replaces one that keeps ten connections and retries where it must not.
    session.mount(_as_sent(settings.url), _Adapter(settings, threads=threads))
    return session


class _Adapter(HTTPAdapter):
    """Adds credentials, and verifies certificates as the connection to the API server does."""

    def __init__(self, settings: Endpoint, *, threads: int) -> None:
        self._settings, self._threads = settings, threads
        files = (settings.ca_file, settings.client_certificate_file, settings.client_key_file)
        self._files = tuple(file for file in files if file is not None)
        self._versions: tuple[object, ...] | None = None
        self._lock = threading.Lock()
        super().__init__(pool_maxsize=threads, max_retries=Retry(total=0))

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """See HTTPAdapter."""
        context = without_extension_checks(create_urllib3_context())
        super().init_poolmanager(*args, **kwargs, ssl_context=context)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """See HTTPAdapter. Raises OSError and CredentialError for files that cannot be used."""
        self._forget_old_certificates()
        with_credentials, settings = request.copy(), self._settings
        headers = credential_headers(settings.headers, settings.bearer_token_file, settings.basic_auth)
        with_credentials.headers.update(headers)
        return super().send(with_credentials, *args, **kwargs)

    def _forget_old_certificates(self) -> None:
        """Use new connections where a certificate file has changed; those that are in use end by themselves."""
        with self._lock:
            versions = tuple((found.st_ino, found.st_mtime_ns, found.st_size) for found in map(Path.stat, self._files))
            if self._versions not in (None, versions):
                self.init_poolmanager(DEFAULT_POOLSIZE, self._threads)
                self.proxy_manager = {}
            self._versions = versions


class _FormSession(requests.Session):
    """Sends parameters as a form instead of in the URL: queries are long, and proxies limit the length of URLs."""

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """See requests.Session."""
        if method == "POST":
            kwargs["data"] = kwargs.pop("params", None)
        return super().request(method, url, *args, **kwargs)


def _as_sent(url: str) -> str:
    """Return an address as requests normalizes it, without looking at its user and password."""
    prepared = requests.PreparedRequest()
    prepared.prepare_url(f"{url.rstrip('/')}/", None)
    return str(prepared.url)
