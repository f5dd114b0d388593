"""A SuggestionModel as it was read from the API server."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from serin_core.api.spec import SuggestionModelSpec
from serin_core.api.status import Status


@dataclass(frozen=True, slots=True)
class Unwritten:
    """That a status has newer counts than the one in the cluster."""

    written: Status
    """The one in the cluster."""
    since: datetime
    """Time of the first count that it does not have."""


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
    unwritten: Unwritten | None = None
    """Where the operator knows newer counts than the cluster has; None if `status` was read."""

    @property
    def written(self) -> Status | None:
        """The status in the cluster."""
        return self.status if self.unwritten is None else self.unwritten.written
