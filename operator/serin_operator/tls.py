"""How certificates are verified, for each client of the operator in the same way."""

import ssl


def without_extension_checks(context: ssl.SSLContext) -> ssl.SSLContext:
    """Let a context verify certificates as Python did before 3.13, and as curl, Go and kubectl do; return it.

    Since then `ssl.create_default_context` also demands extensions that the certificate authorities of many clusters
    lack: a key usage (MicroK8s), an authority key identifier (EKS). Chain, host name and expiry are still verified.
    """
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
