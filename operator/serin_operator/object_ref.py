"""SuggestionModels: as keys of what is kept of them, and as what writes and Events are about."""

from dataclasses import dataclass
from typing import Self

from serin_core.api.base import Json


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Namespace and name of a SuggestionModel."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """A SuggestionModel, as it was read."""

    namespace: str
    name: str
    uid: str
    resource_version: str

    @classmethod
    def of(cls, live: Json) -> Self:
        """Return the reference to an object, whether or not its spec and status can be read."""
        metadata = live["metadata"]
        return cls(
            namespace=metadata["namespace"],
            name=metadata["name"],
            uid=metadata["uid"],
            resource_version=metadata["resourceVersion"],
        )

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"
