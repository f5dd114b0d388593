"""Keys for caches of what follows from an immutable object."""

from dataclasses import dataclass
from typing import Generic, TypeVar

ObjectT = TypeVar("ObjectT")


@dataclass(frozen=True, slots=True, eq=False)
class ByIdentity(Generic[ObjectT]):
    """An immutable object as the key of a cache, equal to nothing but itself.

    Equal specs may say the same in different ways, 0 and 0.0, and lead to different texts. A cache keeps its keys, so
    that no other object gets the identity of one of them.
    """

    of: ObjectT

    def __eq__(self, other: object) -> bool:
        """Return whether the other key is of the same object."""
        return isinstance(other, ByIdentity) and self.of is other.of

    def __hash__(self) -> int:
        """Return a hash of the identity."""
        return id(self.of)
