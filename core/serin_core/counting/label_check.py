"""Labels that a scrape overwrites or drops: recognised by a series that carries all of them, and named.

Every server process exposes `serin_label_check`, whose labels have their own names as values. A target label of the
same name (without honor_labels), or a relabelling rule, changes them as it changes those of every other series.
"""

from collections.abc import Iterable
from typing import Final

from serin_core.api.gate_names import GateName
from serin_core.contract import names
from serin_core.contract.gate_catalog import CATALOG
from serin_core.counting.reading import Unreadable
from serin_core.counting.stage_query import Series

_EXPORTED: Final = "exported_"
"""Prefix by which Prometheus renames a label of a series that the target has as well."""
_STAGE_LABELS: Final = (names.SERIES_RUN, names.SERIES_STAGE, names.SERIES_ARM)
_RENAMED: Final = frozenset(f"{_EXPORTED}{label}" for label in names.CHECKED_LABELS)
_NOT_CHECKED: Final = frozenset({"", "le"})
"""`le` belongs to histograms: without it the bucket is missing."""
_HELP: Final = 'see "Labels that a scrape changes" in docs/prometheus.md'


def is_label_check(series: Series) -> bool:
    """Return whether this is the series that carries all labels."""
    return series.name == names.LABEL_CHECK


def is_intact(series: Series) -> bool:
    """Return whether a series names its process, and none of its labels was renamed."""
    return bool(series.labels.get(names.SERIES_PROCESS)) and _RENAMED.isdisjoint(series.labels)


def find_changed_label(label_checks: Iterable[Series], gates: Iterable[GateName]) -> Unreadable | None:
    """Return which label of those that the gates read is changed by the scrape of a process, None if there is none.

    A process that is scraped twice needs one scrape that changes nothing.
    """
    read = _labels_of(gates)
    problems: dict[str, str | None] = {}
    for one in label_checks:
        process = one.labels.get(names.SERIES_PROCESS, "")
        found = _problem(one, read)
        problems[process] = found if problems.get(process, "") is not None else None
    found = next((problem for problem in problems.values() if problem), None)
    return None if found is None else Unreadable("LabelsChanged", f"the scrape {found}; {_HELP}")


def _labels_of(gates: Iterable[GateName]) -> list[str]:
    terms = [term for gate in gates for term in CATALOG[gate].terms]
    return sorted({*_STAGE_LABELS, *(label for term in terms for label in (term.label, term.part))} - _NOT_CHECKED)


def _problem(series: Series, read: Iterable[str]) -> str | None:
    if not series.labels.get(names.SERIES_PROCESS):
        return f"drops the label {names.SERIES_PROCESS}, without which the processes cannot be told apart"
    for label in read:
        value = series.labels.get(label, "")
        if not value:
            return f"drops the label {label}"
        if value != label:
            return f'overwrites the label {label} with "{value}"'
    return None
