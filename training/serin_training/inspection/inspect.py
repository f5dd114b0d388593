"""From a file to what was found about it, checked by reading every row with the map that results."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from serin_core.contract.addresses import display_address
from serin_training.data.csv_records import read_records
from serin_training.data.data_map import CLOCK, COLUMNS, CREDIT, DEBIT, NATIVE, DataMap
from serin_training.data.files import CsvFile
from serin_training.data.presets import presets, read_preset
from serin_training.data.rows import Row
from serin_training.errors import DataError
from serin_training.inspection.columns import find_columns, find_sign
from serin_training.inspection.findings import Certainty, Finding
from serin_training.inspection.formats import (
    amounts_of,
    find_decimal,
    find_purchases,
    find_time,
    formats_of,
    has_offset,
    is_read_by,
    is_time,
)
from serin_training.inspection.layout import Layout, find_layout
from serin_training.inspection.text import find_encoding

SHOWN: Final = 5
_MOST_FOOTER: Final = 20
_SAMPLE: Final = 100
_PROPOSED: Final = "the map above"


@dataclass(frozen=True, slots=True)
class Checked:
    """What reading every row has shown."""

    rows: int
    labelled: int
    first: datetime
    last: datetime
    users: int
    categories: int
    shown: tuple[Mapping[str, str], ...]
    """The first rows as they would be read; a text that is not decided ends with a question mark."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found about a file."""

    name: str
    findings: tuple[Finding, ...]
    header: tuple[str, ...] = ()

    def data_map(self, name: str = _PROPOSED) -> DataMap:
        """Return the map; where a user must decide, with the first choice. Raises ValueError."""
        found: dict[str, Any] = {"columns": {}}
        for one in self.findings:
            section, _, column = one.key.partition(".")
            if column:
                found[section][column] = one.value
            else:
                found[section] = one.value
        return DataMap.model_validate(found | {"name": name})

    @property
    def undecided(self) -> tuple[Finding, ...]:
        """Return what a user must decide."""
        return tuple(one for one in self.findings if one.is_undecided)

    @property
    def is_native(self) -> bool:
        """Return whether the file has Serin's own columns and formats."""
        return self.data_map(NATIVE.name).model_copy(update={"zone": ""}) == NATIVE

    @property
    def presets(self) -> tuple[str, ...]:
        """Return the presets whose columns the file has."""
        return tuple(one for one in presets() if set(read_preset(one)["columns"].values()) <= set(self.header))

    def column(self, target: str) -> str:
        """Return the file's name of a column, empty if it has none."""
        return next((str(one.value) for one in self.findings if one.key == f"columns.{target}"), "")


def inspect_file(path: Path, zone: str | None = None) -> Inspection:
    """Return what the file shows. Raises DataError where nothing can be found."""
    name = display_address(str(path))
    encoding = find_encoding(path, name)
    layout = find_layout(path, name, str(encoding.value))
    columns = find_columns(name, layout.header, layout.rows[:_SAMPLE])
    first = Inspection(name, (encoding, *layout.findings, *columns), layout.header)
    place, at = f"{name}, column {first.column('timestamp')}", layout.header.index(first.column("timestamp"))
    clock = layout.header.index(first.column(CLOCK)) if first.column(CLOCK) else None
    formats = formats_of((_time_of(row, at, clock) for row in layout.rows), place)
    seen = _Texts.of(path, first, layout, formats)
    findings = [encoding, *layout.findings]
    if seen.footer:
        why = f"the last {'row has' if seen.footer == 1 else f'{seen.footer} rows have'} no time"
        findings.append(Finding("footer", seen.footer, Certainty.LIKELY, why))
    time = find_time(tuple(seen.times), formats)
    findings += [*seen.usable(columns), time, *_zone(zone, seen.times, time), find_decimal(seen.amounts)]
    if first.column("amount"):
        negative, positive = _signs(seen.amounts, findings[-1])
        sign = None if negative else find_sign(layout.header, layout.rows[:_SAMPLE])
        findings.append(sign or find_purchases(negative, positive))
    return replace(first, findings=tuple(findings))


@dataclass(slots=True)
class _Texts:
    """Texts of the columns for times and amounts, each once with its number of rows, and what ids show."""

    times: dict[str, int]
    amounts: dict[str, int]
    footer: int
    """Rows after the last one with a time."""
    ids_are_unique: bool

    @classmethod
    def of(cls, path: Path, found: Inspection, layout: Layout, formats: Sequence[str]) -> "_Texts":
        """Read every row once. Raises DataError."""
        at = {target: layout.header.index(found.column(target)) for target in _needed(found)}
        amounts = [at[target] for target in ("amount", DEBIT, CREDIT) if target in at]
        clock, merchant = at.pop(CLOCK, None), layout.header.index(found.column("merchant"))
        records = read_records(path, found.name, found.data_map())
        if found.data_map().header:
            next(records, None)
        seen, ids = cls({}, {}, 0, ids_are_unique=True), set[str]()
        waiting: deque[Sequence[str]] = deque()
        for _, fields in records:
            waiting.append(fields)
            time = _time_of(fields, at["timestamp"], clock)
            # A transaction without a time, or with one in another format, is no footer: reading the rows names it.
            is_row = is_read_by(time, formats) or is_time(time) or _is_payment(fields, merchant, amounts)
            if not is_row and len(waiting) <= _MOST_FOOTER:
                continue
            while waiting:
                seen._add(waiting.popleft(), at, clock, amounts, ids)
        seen.footer = len(waiting)
        return seen

    def _add(
        self,
        fields: Sequence[str],
        at: Mapping[str, int],
        clock: int | None,
        amounts: Sequence[int],
        ids: set[str],
    ) -> None:
        if len(fields) <= max(at.values()):
            return  # reading the rows names the line
        time = _time_of(fields, at["timestamp"], clock)
        self.times[time] = self.times.get(time, 0) + 1
        for column in amounts:
            amount = fields[column].strip()
            if amount:
                self.amounts[amount] = self.amounts.get(amount, 0) + 1
        if "txn_id" in at:
            one = fields[at["txn_id"]]
            self.ids_are_unique &= bool(one) and one not in ids
            ids.add(one)

    def usable(self, columns: Sequence[Finding]) -> list[Finding]:
        """Return the columns, without one of ids that are empty or occur twice."""
        return [one for one in columns if one.key != "columns.txn_id" or self.ids_are_unique]


def _time_of(fields: Sequence[str], day: int, clock: int | None) -> str:
    """Return the time of a row, empty if it has too few fields."""
    if len(fields) <= max(day, clock or 0):
        return ""
    return fields[day].strip() + ("" if clock is None else f" {fields[clock].strip()}")


def _is_payment(fields: Sequence[str], merchant: int, amounts: Sequence[int]) -> bool:
    """Return whether a row has a merchant and an amount."""
    return (
        len(fields) > max(merchant, *amounts)
        and bool(fields[merchant].strip())
        and any(amounts_of(fields[column]) for column in amounts)
    )


def _needed(found: Inspection) -> Iterator[str]:
    for target in ("timestamp", CLOCK, "amount", DEBIT, CREDIT, "txn_id"):
        if found.column(target):
            yield target


def _zone(zone: str | None, times: Mapping[str, int], time: Finding) -> Iterator[Finding]:
    """Yield the zone, unless every time has an offset."""
    if zone is not None:
        yield Finding("zone", zone, Certainty.SURE, "given by --zone")
        return
    if all(has_offset(text, time.value) for text in times):
        return
    why = "the file does not name the zone of its times; write that of the bank, such as Europe/Berlin"
    if all(len(text) <= 10 for text in times):  # noqa: PLR2004 - a day
        why = "days without a zone; write that of the bank, such as Europe/Berlin"
    yield Finding("zone", "UTC", Certainty.ASSUMED, why)


def _signs(amounts: Mapping[str, int], decimal: Finding) -> tuple[int, int]:
    values = [(amounts_of(text).get(decimal.value, 0.0), count) for text, count in amounts.items()]
    return sum(count for value, count in values if value < 0), sum(count for value, count in values if value > 0)


def check(path: Path, found: Inspection) -> Checked:
    """Read every row by what was found. Raises DataError with the place of what cannot be read."""
    data_map = found.data_map()
    rows: list[Row] = []
    count, labelled, users, categories = 0, 0, set[str | None](), set[str]()
    first = last = None
    for row in CsvFile(path, data_map).rows():
        count += 1
        if len(rows) < SHOWN:
            rows.append(row)
        first, last = min(first or row.at, row.at), max(last or row.at, row.at)
        users.add(row.transaction.user_id)
        if row.label is not None:
            labelled += 1
            categories.add(row.label.category)
    if first is None or last is None:
        raise DataError(f"{found.name}: no row of transactions")
    undecided = {one.key for one in found.undecided}
    shown = tuple(_shown(row, undecided) for row in rows)
    return Checked(count, labelled, first, last, len(users - {None}), len(categories), shown)


def _shown(row: Row, undecided: set[str]) -> dict[str, str]:
    one = row.transaction
    at = "" if one.timestamp is None else one.timestamp.isoformat(sep=" ")
    texts = {
        "txn_id": one.txn_id,
        "user_id": one.user_id or "",
        "timestamp": at + ("?" if "time" in undecided else ""),
        "merchant": one.merchant,
        "description": one.description,
        "amount": f"{one.amount:.2f}" + ("?" if {"decimal", "purchases"} & undecided else ""),
        "channel": one.channel,
        "category": "" if row.label is None else row.label.category,
    }
    return {name: texts[name] for name in COLUMNS}
