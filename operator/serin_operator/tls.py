"""How certificates are verified, for each client of the operator in the same way."""

import ssl
from pathlib import Path

import requests
from requests.utils import DEFAULT_CA_BUNDLE_PATH


def without_extension_checks(context: ssl.SSLContext) -> ssl.SSLContext:
    """Let a context verify certificates as Python did before 3.13, and as curl, Go and kubectl do; return it.

    Since then `ssl.create_default_context` also demands extensions that the certificate authorities of many clusters
    lack: a key usage (MicroK8s), an authority key identifier (EKS). Chain, host name and expiry are still verified.
    """
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def context_for(url: str, ca_file: Path | None) -> ssl.SSLContext:
    """Return how the certificate of an address is verified: by `ca_file`, else by the bundle that requests would use.

    That is the file or folder of REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE, else the one of certifi, so that an address is
    trusted by all clients of the operator or by none. Raises OSError if it cannot be read, with its name.
    """
    chosen = None if ca_file is None else str(ca_file)
    found = requests.Session().merge_environment_settings(url, {}, None, chosen, None)["verify"]
    bundle = Path(found if isinstance(found, str) else DEFAULT_CA_BUNDLE_PATH)
    bundle.stat()  # the error of OpenSSL does not name the file
    cafile, capath = (None, bundle) if bundle.is_dir() else (bundle, None)
    return without_extension_checks(ssl.create_default_context(cafile=cafile, capath=capath))
