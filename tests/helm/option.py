"""One set of values, and what the chart must make of it."""

from dataclasses import dataclass
from typing import Any

ABSENT = "(absent)"
DIGEST = "sha256:" + "a" * 64
PEER = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
TO_DNS = {"ports": [{"port": 53, "protocol": "UDP"}]}


@dataclass(frozen=True)
class Option:
    """Values, and what they must render: for each `Kind/name path` a value; ABSENT for no such object or field."""

    values: dict[str, Any]
    rendered: dict[str, Any]
