"""A routing document that the operator sends to a running pod: `POST /ml/routing` (docs/contracts.md, rule 18).

The body is the document's exact text and the operator's signature of it. The document has its resource's uid and its
revision, so that it can be used for no other resource and is ignored once a higher revision was served.
"""

import base64
import hashlib
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, StringConstraints

PATH: Final = "/ml/routing"
MAX_CHARACTERS: Final = 1 << 18


class PushedRouting(BaseModel):
    """The body of the request."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    document: Annotated[str, StringConstraints(max_length=MAX_CHARACTERS)]
    """Text of the routing document, as the operator wrote it into the ConfigMap."""
    signature: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{86}==$")]
    """Ed25519 signature of that text in UTF-8, in base64."""

    @classmethod
    def of(cls, document: str, signature: bytes) -> Self:
        """Return the body for a document and the 64 bytes of its signature."""
        return cls(document=document, signature=base64.b64encode(signature).decode())

    @property
    def signature_bytes(self) -> bytes:
        """The 64 bytes of the signature."""
        return base64.b64decode(self.signature)


def key_id(public_key: str) -> str:
    """Return the short name of a public key in PEM, "" without one: the start of the SHA-256 of its text, in hex."""
    text = public_key.strip()
    return hashlib.sha256(text.encode()).hexdigest()[:16] if text else ""
