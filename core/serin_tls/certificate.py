"""The certificate of a process that serves TLS, read again when its files change: a Secret is replaced meanwhile."""

import asyncio
import logging
import os
import ssl
from pathlib import Path
from typing import Final

CERTIFICATE: Final = "tls.crt"
KEY: Final = "tls.key"
REFRESH_SECONDS: Final = 2.0
"""Time between two looks at the files."""

_log = logging.getLogger(__name__)


class CertificateError(ValueError):
    """Files that are no certificate with its key. The message is one line that names them."""


class Certificate:
    """A TLS context whose certificate follows the files of a directory. New connections get the new certificate."""

    def __init__(self, directory: Path) -> None:
        """Read the files. Raises CertificateError if they cannot be used."""
        self._files = directory / CERTIFICATE, directory / KEY
        self._seen: tuple[bytes, ...] = ()
        self._error = ""
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            self._load()
        except OSError as error:  # ssl.SSLError is one
            raise CertificateError(f"{directory}: {_reason(error)}") from None

    def refresh(self) -> None:
        """Read the files again; keep the former certificate where they cannot be used, and log each reason once."""
        error = ""
        try:
            self._load()
        except OSError as found:
            error = _reason(found)
        if error not in ("", self._error):
            _log.error("the certificate is not renewed: %s: %s", self._files[0].parent, error)
        self._error = error

    async def follow(self) -> None:
        """Refresh the certificate until cancelled."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            self.refresh()

    def _load(self) -> None:
        found = tuple(file.read_bytes() for file in self._files)
        if found == self._seen:
            return
        # A key that does not fit would leave the context with half of the new pair.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*self._files)
        self.context.load_cert_chain(*self._files)
        if self._seen:
            _log.info("the certificate is renewed")
        self._seen = found


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"{CERTIFICATE} and {KEY} are not a certificate and its key in PEM ({error.reason or error})"
    return f"{Path(error.filename).name}: {os.strerror(error.errno or 0)}" if error.filename else str(error)
