"""What object stores complain of, in one line for people: what happened, and what to check.

Stores answer with a page of XML, and their client with a tree of Rust; both name the request's whole address, which may
hold a password. Pure: an error in, words out.
"""

import re
from typing import Final
from urllib.parse import urlsplit

_CREDENTIALS: Final = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_SERVICE_ACCOUNT_KEY",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
_ADDRESS: Final = {"s3": "AWS_ENDPOINT and AWS_REGION"}
_NO_BUCKET: Final = r"NoSuchBucket|ContainerNotFound|specified bucket does not exist"
# The first that is found counts. {credentials} and {address} are what is set for this kind of store.
_CAUSES: Final = (
    (r"169\.254\.169\.254|metadata\.google|Account must be specified", "no credentials were found: set {credentials}"),
    (_NO_BUCKET, "there is no such bucket"),
    (
        r"40[13] (Unauthorized|Forbidden)|necessary privileges|valid authentication",
        "access was denied; check {credentials}, and that they allow to read and list",
    ),
    (r"\b30\d [A-Z]|redirect", "the store points to another place; check {address}"),
    (r"BadScheme", "its endpoint is plain http://, which AWS_ALLOW_HTTP=true would allow"),
    (r"(?P<status>(5\d\d|429) [A-Z][A-Za-z ]+)", "the store answered {status}, again and again"),
    (r"kind: Timeout|TimedOut", "the store does not answer in time; check {address}, and the network"),
    (r"peer certificate|UnknownIssuer", "the store's certificate is not trusted here; check {address}"),
    (r"dns error|failed to lookup", "the store's host is not known; check {address}"),
    (
        r"error sending request|HTTP error|kind: (Body|Decode|Request)",
        "the store cannot be reached; check {address}, and the network",
    ),
)


def shown(uri: str) -> str:
    """Answer an address without what may be secret in it: a password, a query."""
    parts = urlsplit(uri)
    if not (parts.query or parts.fragment or "@" in parts.netloc):
        return uri
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def means_no_bucket(error: Exception) -> bool:
    """Answer whether it is not an object that was not found, but all that it would stand in."""
    return re.search(_NO_BUCKET, str(error)) is not None


def tell(error: Exception, *, scheme: str) -> str:
    """Answer the cause of a store's error and what to check, in one line that repeats no address."""
    text = " ".join(str(error).split())
    for pattern, words in _CAUSES:
        found = re.search(pattern, text)
        if found:
            return words.format(
                credentials=_CREDENTIALS.get(scheme, "what the web server asks for"),
                address=_ADDRESS.get(scheme, "the address"),
                status=found.groupdict().get("status", ""),
            )
    return f"the store answers in a way that is not known here ({type(error).__name__})"
