"""The text format of Prometheus for series that every resource has; much faster than that of prometheus_client.

A thousand resources have 80,000 series. Most of them do not change between two scrapes, so that the text of each
resource is kept until the resource changes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Generic, TypeVar

from prometheus_client.utils import floatToGoString

from serin_core.contract.names import SERIES_MODEL

SeenT = TypeVar("SeenT")
Values = Iterable[tuple[tuple[str, ...], float]]
"""Label values, and the value."""
_USUAL: Final = {0.0: "0.0", 1.0: "1.0"}
_ESCAPED: Final = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


@dataclass(frozen=True, slots=True)
class Series(Generic[SeenT]):
    """A series of every resource: its name, its labels besides those of every resource, and its values.

    Every series has namespace and name, and both in one label that no target has: a scrape may rename namespace.
    """

    name: str
    labels: tuple[str, ...]
    help: str
    values: Callable[[SeenT], Values]
    is_counter: bool = False

    def header(self) -> str:
        """Return the lines above its values."""
        return f"# HELP {self.name} {self.help}\n# TYPE {self.name} {'counter' if self.is_counter else 'gauge'}\n"

    def lines(self, namespace: str, name: str, seen: SeenT) -> str:
        """Return the lines of one resource."""
        start = f'{self.name}{{namespace="{namespace}",name="{name}",{SERIES_MODEL}="{namespace}/{name}"'
        return "".join(
            [f"{start}{_pairs(self.labels, values)} {_number(value)}\n" for values, value in self.values(seen)]
        )


class SeriesText(Generic[SeenT]):
    """The text of all series of all resources. `seen` is what is known of them, by namespace and name."""

    def __init__(self, series: tuple[Series[SeenT], ...], seen: Mapping[tuple[str, str], SeenT]) -> None:
        self._series, self._seen = series, seen
        self._lines: dict[tuple[str, str], tuple[str, ...]] = {}

    def changed(self, resource: tuple[str, str]) -> None:
        """Make the text of a resource again at the next scrape."""
        self._lines.pop(resource, None)

    def clear(self) -> None:
        """Drop the text of all resources."""
        self._lines.clear()

    def update(self) -> Iterator[None]:
        """Make the text of the resources that have changed. Yields after each one, so that others can go on."""
        for resource, seen in list(self._seen.items()):
            if resource not in self._lines and resource in self._seen:
                self._lines[resource] = tuple(one.lines(*resource, seen) for one in self._series)
                yield

    def text(self) -> str:
        """Return the text."""
        for _ in self.update():
            pass
        of_resources = [self._lines[resource] for resource in sorted(self._seen)]
        parts = []
        for number, one in enumerate(self._series):
            parts.append(one.header())
            parts += [lines[number] for lines in of_resources]
        return "".join(parts)


@lru_cache(maxsize=4096)
def _pairs(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    """Return labels after the first ones, which are the same for all resources: causes, phases, gates."""
    pairs = zip(names, values, strict=True)
    return "".join([*(f',{name}="{value.translate(_ESCAPED)}"' for name, value in pairs), "}"])


def _number(value: float) -> str:
    if value in _USUAL:
        return _USUAL[value]
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]
