"""Values of manual requests as they are kept in status, the same for operator and command line."""

import hashlib
from typing import Final

MAX_VALUE: Final = 1000
"""Characters of a value that are kept; an annotation may have 256 KiB."""


def kept_value(value: str) -> str:
    """Return a value as it is kept: a longer one is cut, and a hash of the whole keeps it distinct."""
    if len(value) <= MAX_VALUE:
        return value
    digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{value[: MAX_VALUE - 24]} sha256:{digest}"
