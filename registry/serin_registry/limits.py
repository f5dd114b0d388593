"""Bounds of what is read, so that a damaged or hostile registry cannot exhaust a reader's memory; and of ages."""

from typing import Final

MAX_MANIFEST_BYTES: Final = 1 << 20
"""Also of a signature."""
MAX_FILE_BYTES: Final = 256 << 20
"""Of a file that a server reads."""
MAX_OTHER_FILE_BYTES: Final = 4 << 30
"""Of a file that is hashed and never opened, such as pipeline.joblib."""
MAX_LATEST_BYTES: Final = 64
ABANDONED_SECONDS: Final = 86_400.0
"""Age of a partial run after which its writer is considered dead."""
