"""A SuggestionModel as it was read from the API server."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from serin_core.api.spec import SuggestionModelSpec
from serin_core.api.status import Status


@dataclass(frozen=True, slots=True)
class Resource:
    """The SuggestionModel as it was read. `status` is None on an object that has none yet."""

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    spec: SuggestionModelSpec
    status: Status | None
    annotations: Mapping[str, str] = field(default_factory=dict)
