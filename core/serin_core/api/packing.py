"""Packing of a whole status into the one field of its view that the operator reads back."""

import base64
import binascii
import json
import zlib
from collections.abc import Mapping
from typing import Any, Final

from serin_core.api.base import Json
from serin_core.api.format_versions import Format

STATE: Final = "operatorState"
VERSION: Final = "version"
"""Field of the packed state with the version of its format."""
FORMAT: Final[Format[Json]] = Format("status.operatorState")
SHOWN_IN_FULL: Final = ("phase", "observedGeneration", "conditions")
"""Fields that are not packed."""
MAX_STATE_BYTES: Final = 4_000_000


def packed(status: Json) -> str:
    """Return a whole status as compressed text."""
    state = {key: value for key, value in status.items() if key not in SHOWN_IN_FULL}
    state |= {VERSION: version} if (version := FORMAT.lowest(state)) > 1 else {}
    text = json.dumps(state, separators=(",", ":"), sort_keys=True)
    return base64.b64encode(zlib.compress(text.encode())).decode()


def expanded(status: Mapping[str, Any]) -> Json:
    """Return the whole status of a view; any other status as it is.

    Raises ValueError if it cannot be unpacked, and NewerVersionError if it is of a newer version.
    """
    if STATE not in status:
        return dict(status)
    return {key: status[key] for key in SHOWN_IN_FULL if key in status} | _unpacked(status[STATE])


def _unpacked(text: Any) -> Json:
    try:
        state = json.loads(zlib.decompressobj().decompress(base64.b64decode(text, validate=True), MAX_STATE_BYTES))
        version = state.pop(VERSION, 1)
        state.pop(STATE, None)
    except (AttributeError, RecursionError, TypeError, ValueError, binascii.Error, zlib.error) as error:
        raise ValueError(f"{STATE} cannot be read: {error}") from error
    FORMAT.check(version)
    return dict(state)
