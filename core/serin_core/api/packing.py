"""Packing of a whole status into the one field of its view that the operator reads back."""

import base64
import binascii
import json
import zlib
from collections.abc import Mapping
from typing import Any, Final

STATE: Final = "operatorState"
SHOWN_IN_FULL: Final = ("phase", "observedGeneration", "conditions")
"""Fields that are not packed."""
MAX_STATE_BYTES: Final = 4_000_000

Json = dict[str, Any]


def packed(status: Json) -> str:
    """Return a whole status as compressed text."""
    state = {key: value for key, value in status.items() if key not in SHOWN_IN_FULL}
    text = json.dumps(state, separators=(",", ":"), sort_keys=True)
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def expanded(status: Mapping[str, Any]) -> Json:
    """Return the whole status of a view; any other status as it is. Raises ValueError if it cannot be unpacked."""
    if STATE not in status:
        return dict(status)
    return {key: status[key] for key in SHOWN_IN_FULL if key in status} | _unpacked(status[STATE])


def _unpacked(text: Any) -> Json:
    try:
        state = json.loads(zlib.decompressobj().decompress(base64.b64decode(text, validate=True), MAX_STATE_BYTES))
        return {key: value for key, value in state.items() if key != STATE}
    except (AttributeError, TypeError, ValueError, binascii.Error, zlib.error) as error:
        raise ValueError(f"{STATE} cannot be read: {error}") from error
