"""Keys by which the operator signs the routing that it sends to pods (docs/contracts.md, rule 18).

They are in one Secret of the operator's own namespace, which all its replicas share: `signing.key`, the current key,
and while keys are exchanged `previous.key`, both in PEM. The operator creates it where it does not exist.
"""

import asyncio
import base64
import binascii
import logging
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, Protocol

from serin_core.api.base import Json
from serin_core.contract.pushed_routing import MAX_CHARACTERS, PushedRouting
from serin_core.model.signing_keys import KeyFormatError, SigningKey
from serin_operator.interfaces import ClusterError, ConflictError, NotFoundError, RefusedError

log = logging.getLogger(__name__)

SECRET: Final = "serin-routing-key"  # noqa: S105 - a name
CURRENT: Final = "signing.key"
PREVIOUS: Final = "previous.key"
_EVERY: Final = 60.0
_RETRY_AFTER: Final = 5.0
_SIGNATURES_KEPT: Final = 4096
"""Every pass sends the same documents again."""


class RoutingKeys:
    """The keys as they are known now; none before the Secret was read."""

    def __init__(self) -> None:
        self._keys: dict[str, SigningKey] = {}
        self._signed = lru_cache(maxsize=_SIGNATURES_KEPT)(_sign)

    @property
    def public(self) -> tuple[str, ...]:
        """Public keys in PEM, the current one first; () if there are none."""
        return tuple(self._keys)

    @property
    def private(self) -> tuple[SigningKey, ...]:
        """Private keys in the same order."""
        return tuple(self._keys.values())

    def replace(self, keys: Sequence[SigningKey]) -> None:
        """Use these keys, the current one first."""
        self._keys = {key.public_pem.strip(): key for key in keys}

    def sign(self, document: str, public_key: str) -> PushedRouting | None:
        """Return a document signed for a pod with this public key.

        It is None without the private key, and for a document that no pod would accept for its length: both reach the
        pod by the ConfigMap.
        """
        key = self._keys.get(public_key.strip())
        return None if key is None or len(document) > MAX_CHARACTERS else self._signed(key, document)


class Secrets(Protocol):
    """The two requests that the operator may make about its Secret. Each raises ClusterError."""

    async def get(self, kind: str, namespace: str, name: str) -> Json:
        """Read one object. Raises NotFoundError."""

    async def create_secret(self, rendered: Json) -> None:
        """Create a Secret, and nothing more: it may not be changed. Raises ConflictError if it exists."""


class RoutingKeySecret:
    """Keeps `RoutingKeys` equal to the Secret, and the Secret there."""

    def __init__(
        self,
        cluster: Secrets,
        keys: RoutingKeys,
        *,
        namespace: str,
        generate: Callable[[], SigningKey] = SigningKey.generate,
    ) -> None:
        """`namespace` is the operator's own."""
        self._cluster, self._keys, self._namespace, self._generate = cluster, keys, namespace, generate
        self._problem = ""
        self.is_known = asyncio.Event()
        """Set after the first attempt: a Deployment that is created before it has no key, and would be replaced."""

    async def run(self) -> None:
        """Read the Secret every minute until cancelled."""
        while True:
            try:
                await self.refresh()
            except ClusterError as error:
                log.debug("the Secret %s cannot be read: %s", SECRET, error)
            self.is_known.set()
            await asyncio.sleep(_EVERY if self._keys.public or self._problem else _RETRY_AFTER)

    async def refresh(self) -> None:
        """Take over what the Secret holds, or create it. Raises ClusterErrors other than refusals."""
        try:
            found = await self._read() or await self._create()
        except RefusedError as error:
            self._report(f"{error}. The operator needs get and create on Secrets of its own namespace (its Role)")
        except KeyFormatError as error:
            self._report(str(error))
        else:
            self._keys.replace(found)
            self._problem = ""

    async def _read(self) -> tuple[SigningKey, ...]:
        """Return the keys of the Secret, () if it does not exist. Raises KeyFormatError, ClusterError."""
        try:
            live = await self._cluster.get("Secret", self._namespace, SECRET)
        except NotFoundError:
            return ()
        data = live.get("data") or {}
        present = [name for name in (CURRENT, PREVIOUS) if name == CURRENT or data.get(name)]
        return tuple(self._parse(name, data.get(name, "")) for name in present)

    def _parse(self, name: str, encoded: str) -> SigningKey:
        try:
            return SigningKey.parse(base64.b64decode(encoded, validate=True).decode())
        except (binascii.Error, UnicodeDecodeError):
            problem = "is not text"
        except KeyFormatError as error:
            problem = str(error)
        raise KeyFormatError(f"Secret {self._namespace}/{SECRET}: {name} {problem}") from None

    async def _create(self) -> tuple[SigningKey, ...]:
        """Create the Secret, with the keys in use if there are any. Raises KeyFormatError, ClusterError."""
        keys = self._keys.private or (self._generate(),)
        try:
            await self._cluster.create_secret(_rendered(self._namespace, keys))
        except ConflictError:
            # Another replica was faster.
            return await self._read() or keys
        log.info("created the Secret %s/%s with a key for the routing of pods", self._namespace, SECRET)
        return keys

    def _report(self, problem: str) -> None:
        if problem != self._problem:
            known = "keys in use stay" if self._keys.public else "pods get their routing by ConfigMaps only"
            log.warning("%s; %s", problem, known)
        self._problem = problem


def _sign(key: SigningKey, document: str) -> PushedRouting:
    return PushedRouting.of(document, key.sign(document.encode()))


def _rendered(namespace: str, keys: Sequence[SigningKey]) -> Json:
    named = zip((CURRENT, PREVIOUS), keys, strict=False)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"namespace": namespace, "name": SECRET, "labels": {"app.kubernetes.io/name": "serin-operator"}},
        "type": "Opaque",
        "data": {name: base64.b64encode(key.pem.encode()).decode() for name, key in named},
    }
