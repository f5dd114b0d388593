"""Statements of banks in OFX (also QFX) and MT940, read by bankfile.

They have no categories: labels come from another source with the same transactions. What bankfile cannot read it leaves
out with a warning; here a file with such a transaction is refused.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from serin_training.data.data_map import NATIVE, DataMap
from serin_training.data.files import File
from serin_training.data.rows import Row
from serin_training.data.validation import check_records
from serin_training.errors import DataError, OptionError

SUFFIXES: Final = (".ofx", ".qfx", ".sta", ".mt940", ".940")
_MARKS: Final = {"OFX": re.compile(rb"<STMTTRN>", re.IGNORECASE), "MT940": re.compile(rb"^:61:", re.MULTILINE)}
"""What each transaction begins with."""
_MOST_BYTES: Final = 1 << 28
_BALANCES: Final = frozenset({"BALAMT", "62F"})
"""Fields whose amounts are no transactions."""
_COLUMNS: Final = ("user_id", "timestamp", "merchant", "description", "amount", "channel")
_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class StatementFile(File):
    """Implements rows.DataSource."""

    def rows(self) -> Iterator[Row]:
        """Yield the rows. Raises DataError."""
        if self.data_map.model_copy(update={"zone": ""}) != NATIVE:
            raise OptionError(f"{self.name}: a statement has its own format; leave out --map")
        statement = self._statement()
        has_ids = all(one.bank_reference for one in statement.transactions)
        columns = _COLUMNS + (("txn_id",) if has_ids else ())
        data_map = DataMap(
            name="its format",
            columns={name: name for name in columns},
            zone=self.data_map.zone,
            purchases="negative",
        )
        records = (_record(one, statement.account) for one in statement.transactions)
        yield from check_records(self.name, enumerate(records, start=1), unit="transaction", data_map=data_map)

    def assumptions(self) -> tuple[str, ...]:
        """Return how the file is read, and what in it is unusual."""
        statement = self._statement()
        found = (
            f"{self.path.name}: {statement.source.format}, {statement.source.encoding}, purchases negative, days in "
            f"{self.data_map.zone or 'UTC'}, no categories"
        )
        return (found, *(f"{self.path.name}: {_short(warning.message)}" for warning in statement.warnings))

    def _statement(self) -> Any:
        """Return what bankfile reads. Raises DataError, also if it is not all transactions."""
        from bankfile import UnknownFormatError, parse_bytes  # noqa: PLC0415 - an extra

        try:
            if self.path.stat().st_size > _MOST_BYTES:
                raise DataError(f"{self.name}: it has more than {_MOST_BYTES >> 20} MiB; give a shorter statement")
            content = self.path.read_bytes()
        except OSError as error:
            raise DataError(f"{self.name}: {error.strerror or error}; give a readable file") from None
        try:
            found = parse_bytes(content)
        except UnknownFormatError:
            raise DataError(f"{self.name}: neither OFX nor MT940; for a table, name the file .csv") from None
        except Exception as error:  # noqa: BLE001 - whatever a damaged file provokes in the parsers
            raise DataError(f"{self.name}: the statement is damaged ({type(error).__name__})") from None
        doubts = [one for one in found.warnings if one.rule in {"amount", "date"} and one.field not in _BALANCES]
        count = len(_MARKS[found.source.format].findall(content))
        if doubts or count != len(found.transactions):
            why = _short((doubts or found.warnings)[0].message) if doubts or found.warnings else "the file is damaged"
            read = f"{len(found.transactions)} of {count} transactions can be read, with {len(doubts)} doubts"
            raise DataError(f"{self.name}: {read}: {why}")
        return found


def _record(one: Any, account: str | None) -> dict[str, Any]:
    return {
        "txn_id": one.bank_reference,
        "user_id": account or "",
        "timestamp": one.date,
        "merchant": one.counterparty_name or one.purpose or "",
        "description": (one.purpose or "") if one.counterparty_name else "",
        "amount": one.amount,
        "channel": one.type_code or "",
    }


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= _SHOWN else f"{plain[: _SHOWN - 1]}…"
