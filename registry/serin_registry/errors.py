"""What can go wrong when a registry is read, as one tree.

    RegistryError
    |-- AddressError                the registry's address cannot be used
    |-- RegistryUnavailableError    the registry could not be read, which may pass: try again
    |-- NotInRegistryError          the registry was read, and has no such run or file; it may be copied there later
    '-- RunRefusedError             a run or one of its files is there, and must not be used
        |-- GateRefusedError        its acceptance gate refused the run
        '-- FileTooLargeError       a file has more bytes than are read

Every message is one line and holds no secret.
"""

import re
from typing import Final, NamedTuple


class RegistryError(Exception):
    """A registry, or a run in it, that cannot be used."""


class AddressError(RegistryError):
    """An address that names no registry: of an unknown kind, or incomplete."""


class RegistryUnavailableError(RegistryError):
    """A registry that could not be read, which may pass."""


class NotInRegistryError(RegistryError):
    """A run that the registry does not have, or only in part; `file` is the missing file of a run that is there.

    A volume that is not mounted yet looks the same.
    """

    def __init__(self, message: str, *, file: str = "") -> None:
        super().__init__(message)
        self.file = file


class RunRefusedError(RegistryError):
    """A run that must not be used. `digest` is the one found, None if the manifest was not reached."""

    def __init__(self, reason: str, *, digest: str | None = None) -> None:
        super().__init__(reason)
        self.digest = digest


class GateRefusedError(RunRefusedError):
    """A run that its acceptance gate refused."""


class FileTooLargeError(RunRefusedError):
    """A file that has more bytes than are read."""

    def __init__(self, file: str, *, size: int, max_bytes: int) -> None:
        super().__init__(f"{file}: it has {size} bytes, more than the {max_bytes} that are expected")
        self.size = size


class _Settings(NamedTuple):
    """What one kind of store is configured by, as messages name it."""

    credentials: str
    identity: str = "its credentials"
    endpoint: str = "the address"
    allow_http: str = ""


_SETTINGS: Final = {
    "s3": _Settings(
        credentials="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        identity="AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE and the role's trust policy",
        endpoint="AWS_ENDPOINT and AWS_REGION",
        allow_http="AWS_ALLOW_HTTP",
    ),
    "gs": _Settings(
        credentials="GOOGLE_SERVICE_ACCOUNT_KEY or GOOGLE_APPLICATION_CREDENTIALS",
        identity="GOOGLE_SERVICE_ACCOUNT_KEY, or the binding of the pods' service account",
        allow_http="GOOGLE_ALLOW_HTTP",
    ),
    "az": _Settings(
        credentials="AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
        identity="AZURE_CLIENT_ID, AZURE_TENANT_ID and the federated credential",
        endpoint="AZURE_STORAGE_ACCOUNT_NAME",
        allow_http="AZURE_ALLOW_HTTP",
    ),
}
_WEB_SERVER: Final = _Settings(credentials="what the web server asks for")
_NO_BUCKET: Final = r"NoSuchBucket|ContainerNotFound|specified bucket does not exist"
_EXCHANGE: Final = r"token request|POST REDACTED|AssumeRoleWithWebIdentity|/oauth2/|/v1/credentials"
# The first match counts. The names in braces are those of _Settings.
_CAUSES: Final = (
    (
        r"Failed to read token file|FederatedTokenFile|federated token file",
        "the token file of the workload identity cannot be read; check {identity}, and the pods' service account",
    ),
    (
        r"RequestTimeTooSkewed|Request date header too old|short-lived token|AADSTS700024",
        "the clock of this node and the store's differ by minutes; set the node's clock",
    ),
    (
        rf"({_EXCHANGE}).*status code: 4(?!29)\d\d|Invalid AssumeRoleWithWebIdentity|invalid_(grant|client)",
        "the token service refused the pod's identity; check {identity}",
    ),
    (
        r"ExpiredToken|\bExpired\b|token is expired|not valid in the specified time frame",
        "the credentials have expired; renew {credentials}, or use workload identity",
    ),
    (
        r"InvalidAccessKeyId|SignatureDoesNotMatch|AuthenticationFailed|InvalidAuthenticationInfo",
        "the credentials are not valid; check {credentials}",
    ),
    (
        r"AuthorizationHeaderMalformed|PermanentRedirect|BareRedirect|IllegalLocationConstraint",
        "the bucket is in another region, or the endpoint of another store; check {endpoint}",
    ),
    (
        r"SlowDown|ServerBusy|\b429 [A-Z]",
        "the store limits the rate of requests; wait, or raise its limits",
    ),
    (
        r"/latest/(api/token|meta-data)|computeMetadata|/metadata/identity|/v1/credentials|Account must be specified",
        "no credentials were found; set {credentials}, or use workload identity",
    ),
    (_NO_BUCKET, "there is no such bucket"),
    (
        r"40[13] (Unauthorized|Forbidden)|necessary privileges|valid authentication",
        "access was denied; check {credentials}, and their permissions",
    ),
    (r"\b30\d [A-Z]|redirect", "the store redirects to another address; check {endpoint}"),
    (r"BadScheme", "its endpoint is plain http://, which needs {allow_http}=true"),
    (r"400 Bad Request", "the store rejected the request; check {endpoint}, and {credentials}"),
    (r"501 Not Implemented", "the store does not support conditional writes (If-None-Match); use another one"),
    (r"(?P<status>5\d\d [A-Z][A-Za-z ]+)", "the store returned {status} to every attempt; try later"),
    (r"kind: Timeout|TimedOut", "the store does not respond in time; check {endpoint}, and the network"),
    (
        r"No CA certificates were loaded",
        "this system has no certificate authorities; set spec.server.caBundle, or name a file of them in SSL_CERT_FILE",
    ),
    (
        r"peer certificate|UnknownIssuer",
        "the store's certificate is not trusted; set spec.server.caBundle, or name the CA's file in SSL_CERT_FILE",
    ),
    (r"dns error|failed to lookup", "the store's host is unknown; check {endpoint}"),
    (r"Unable to recognise URL", "the address names no bucket"),
    (r"empty host", "the address names no host"),
    (
        r"error sending request|HTTP error|kind: (Body|Decode|Request)",
        "the store cannot be reached; check {endpoint}, and the network",
    ),
)


def allow_http_variable(scheme: str) -> str:
    """Return the environment variable that allows this kind of store without TLS, "" if there is none."""
    return _SETTINGS.get(scheme, _WEB_SERVER).allow_http


def is_missing_bucket(error: Exception) -> bool:
    """Return whether a store's "not found" is about the whole bucket, not about one object."""
    return re.search(_NO_BUCKET, str(error)) is not None


def describe_store_error(error: Exception, *, scheme: str) -> str:
    """Return the cause of a store's error and what to check, in one line.

    Never repeats the error's own text: it names the whole address, which may hold a password.
    """
    text = " ".join(str(error).split())
    for pattern, cause in _CAUSES:
        found = re.search(pattern, text)
        if found:
            settings = _SETTINGS.get(scheme, _WEB_SERVER)
            return cause.format(**settings._asdict(), status=found.groupdict().get("status", ""))
    return f"the store failed in an unknown way ({type(error).__name__})"
