"""The bounds of a routing revision (docs/contracts.md, rule 3).

Revisions count decisions. A number that no operator can have reached was written by hand, and is not followed: there
would soon be none above it, and pods ignore every lower one.
"""

from typing import Annotated, Final

from pydantic import AfterValidator

MAX_REVISION: Final = 2**53 - 1
"""The highest revision of a valid document: the largest whole number that every JSON reader keeps exactly."""
MAX_STEP: Final = 1_000_000
"""How far a document may be above the revisions that are known, to be taken for one of an operator."""
_RESTART: Final = 2**52


def _bounded(revision: int) -> int:
    """Return a revision of a status: a lower one where an earlier version followed a number near the maximum."""
    return revision if revision <= MAX_REVISION - MAX_STEP else _RESTART


StoredRevision = Annotated[int, AfterValidator(_bounded)]
"""A revision in a status."""
