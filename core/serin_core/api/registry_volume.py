"""The directory /registry is empty without a volume: such a resource is refused at apply and by `serin lint`.

The operator takes it: one that was stored before the rule keeps its status, and Ready says that the run is missing.
"""

import re
from typing import Final

NO_VOLUME: Final = (
    "without a volume /registry is empty in the server pods: set registry.volume, or registry.uri to an object store"
)
_ON_VOLUME: Final = "^(file://)?/registry(/|$)"
_IS_ELSEWHERE: Final = f"(has(self.registry.uri) && !self.registry.uri.matches('{_ON_VOLUME}'))"
VOLUME_RULE: Final = (f"has(self.registry) && (has(self.registry.volume) || {_IS_ELSEWHERE})", NO_VOLUME)
"""CEL rule of the whole spec, with its message; `lacks_volume` is its opposite."""


def lacks_volume(uri: str, *, has_volume: bool) -> bool:
    """Return whether a registry is a directory on a volume that is not mounted."""
    return not has_volume and re.match(_ON_VOLUME, uri) is not None
