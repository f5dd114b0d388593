"""How a source writes its transactions: the file map.yaml of `--map`.

    encoding: cp1252
    separator: ";"
    preamble: 3              # lines before the header
    columns: {timestamp: Buchungstag, merchant: Empfänger, amount: Betrag, category: Kategorie}
    time: "%d.%m.%Y"
    zone: Europe/Berlin
    decimal: ","
    purchases: negative

`serin data inspect` writes one; what it cannot decide is `undecided`, which is refused here.

Nothing is guessed: a text that does not fit is an error.
"""

import codecs
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

import xxhash
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from serin_core.model.values import parse_amount, parse_timestamp
from serin_core.yaml_text import load_yaml
from serin_training.data.presets import UNDECIDED, presets, with_preset
from serin_training.errors import DataError, OptionError

COLUMNS: Final = ("txn_id", "user_id", "timestamp", "merchant", "description", "amount", "channel", "category")
ISO: Final = "iso"
DEBIT, CREDIT, CLOCK = "debit", "credit", "clock"
_TARGETS: Final = (*COLUMNS, DEBIT, CREDIT, CLOCK)
_DIRECTIVES: Final = frozenset("dmYybBHMSfzpI%")
_SIGNS: Final = {"\u2212": "-", "\u2013": "-"}
_CURRENCY: Final = r"(?:[€$£¥₹₺₽₩]|[A-Z]{1,2}\$|[A-Z]{3}|kr\.?|zł|Kč|Ft|lei)?"


def _grouped(decimal: str) -> re.Pattern[str]:
    thousands = "," if decimal == "." else "."
    point = re.escape(decimal)
    whole = rf"[0-9]{{1,3}}(?P<group>[{thousands}'\u2019 \u00a0\u202f])[0-9]{{3}}(?:(?P=group)[0-9]{{3}})*|[0-9]+"
    return re.compile(rf"(?:{whole})(?:{point}[0-9]*)?|{point}[0-9]+")


_NUMBERS: Final = {decimal: _grouped(decimal) for decimal in ".,"}
_WRITTEN: Final = re.compile(
    rf"(?P<open>\()?\s*(?P<sign>[+-])?\s*{_CURRENCY}\s*(?P<inner>[+-])?(?P<number>[0-9.,'\u2019 \u00a0\u202f]+?)\s*"
    rf"{_CURRENCY}\s*(?P<after>[+-])?(?P<close>\))?"
)


def read_amount(text: str, decimal: str) -> float:
    """Return an amount as banks write it: 1.234,50 or -1'234.50 or 30.00- or (30.00), with or without a currency.

    Raises ValueError.
    """
    plain = "".join(_SIGNS.get(sign, sign) for sign in text.strip())
    found = _WRITTEN.fullmatch(plain)
    signs = [] if found is None else [found[part] for part in ("sign", "inner", "after") if found[part]]
    if (
        found is None
        or len(signs) + (found["open"] is not None) > 1
        or (found["open"] is None) != (found["close"] is None)
        or _NUMBERS[decimal].fullmatch(found["number"]) is None
    ):
        raise ValueError(f"is not a number with the decimal sign {decimal!r}")
    digits = "".join(
        sign if sign.isdecimal() else "." for sign in found["number"] if sign.isdecimal() or sign == decimal
    )
    amount = parse_amount(digits)
    return -amount if found["open"] or signs == ["-"] else amount


def read_time(text: str, time: str) -> datetime:
    """Return a time in the format of strptime, or in ISO 8601. Raises ValueError."""
    if time == ISO:
        return parse_timestamp(text)
    try:
        found = datetime.strptime(text.strip(), time)  # noqa: DTZ007 - `zone` is added by the caller
    except ValueError:
        raise ValueError(f"is not a time as {time}") from None
    # Without separators strptime also takes fewer digits, and another day.
    if not re.search(r"%.[^%]", time) and found.strftime(time) != text.strip():
        raise ValueError(f"is not a time as {time}")
    return parse_timestamp(found)


class Sign(BaseModel):
    """A column that says whether money was paid or received, beside amounts without a sign."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: str
    purchase: str = Field(min_length=1)
    """Its text in rows of purchases."""
    refund: str = Field(min_length=1)

    def apply(self, amount: float, text: str) -> float:
        """Return the amount with its sign. Raises ValueError."""
        if amount < 0:
            raise ValueError(f"amount {amount:g} has a sign, and {self.column} says it, too; remove `sign`")
        match text.strip().casefold():
            case found if found == self.purchase.casefold():
                return amount
            case found if found == self.refund.casefold():
                return -amount if amount else amount
        raise ValueError(f"{self.column} {text!r} is neither {self.purchase!r} nor {self.refund!r}")


class DataMap(BaseModel):
    """The layout of a source, and which of its columns is which."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field("", exclude=True)
    """Of the file or preset, for messages; not part of the file."""
    encoding: str = "utf-8"
    separator: str = Field(",", min_length=1, max_length=1)
    preamble: int = Field(0, ge=0)
    """Lines before the header."""
    header: bool = True
    """Whether there is one; without, `columns` has their numbers from 1."""
    footer: int = Field(0, ge=0)
    """Rows after the last transaction, such as a total."""
    columns: dict[str, str]
    """Columns of the source by Serin's name; `debit` and `credit` may stand for `amount`, and `clock` may be a time
    of day beside a day.
    """
    time: str = ISO
    zone: str = ""
    """IANA zone of times without an offset; empty: UTC."""
    decimal: Literal[".", ","] = "."
    purchases: Literal["positive", "negative"] = "positive"
    sign: Sign | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _decided(cls, value: Any) -> Any:
        if value == UNDECIDED:
            raise ValueError("it is undecided; write one of the values in its comment")
        return value

    @field_validator("columns", mode="before")
    @classmethod
    def _numbered_columns(cls, value: Any) -> Any:
        """Take the numbers of columns, too."""
        if not isinstance(value, dict):
            return value
        return {name: str(column).strip() if type(column) in {int, str} else column for name, column in value.items()}

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            "".encode(value)  # codecs has encodings of bytes, too, such as hex
            return codecs.lookup(value).name
        except (LookupError, ValueError):
            raise ValueError(f"{value!r} is not an encoding; write utf-8, cp1252 or utf-16") from None

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value and value not in available_timezones():
            raise ValueError(f"{value!r} is not a time zone; write one like Europe/Berlin")
        return value

    @field_validator("time")
    @classmethod
    def _whole_time(cls, value: str) -> str:
        if value == ISO:
            return value
        used = re.findall(r"%(.)", value)
        if (
            not set(used) <= _DIRECTIVES
            or not {"d"} <= set(used)
            or not set("mbB") & set(used)
            or not set("Yy") & set(used)
        ):
            raise ValueError(f"{value!r} is not a format of days; write iso, %d/%m/%Y or %m/%d/%Y")
        return value

    @field_validator("columns")
    @classmethod
    def _complete_columns(cls, value: dict[str, str]) -> dict[str, str]:
        problems = [f"{name} is none of {', '.join(_TARGETS)}" for name in value if name not in _TARGETS]
        problems += [
            f"{', '.join(name for name in value if value[name] == column)} are all read from {column!r}; one can be"
            for column, count in Counter(value.values()).items()
            if count > 1
        ]
        needed = [name for name in ("timestamp", "merchant") if name not in value]
        if "amount" not in value and not {DEBIT, CREDIT} <= set(value):
            needed.append("amount (or debit and credit)")
        if "amount" in value and {DEBIT, CREDIT} & set(value):
            problems.append("both amount and debit or credit are named; write one of them")
        if needed:
            problems.append(f"no column for {', '.join(needed)}")
        if problems:
            raise ValueError("; ".join(problems))
        return value

    @model_validator(mode="after")
    def _distinct_signs(self) -> Self:
        if self.separator in {"\n", "\r", '"'}:
            raise ValueError("separator must be a sign such as , or ;")
        if self.sign is not None and (self.purchases == "negative" or "amount" not in self.columns):
            raise ValueError("sign needs `amount`, and no `purchases`")
        return self

    @property
    def is_native(self) -> bool:
        """Whether no map was given: the source has Serin's own columns and formats."""
        return not self.name

    @property
    def needed(self) -> tuple[str, ...]:
        """Return the columns of the source that are read."""
        return (*self.columns.values(), *(() if self.sign is None else (self.sign.column,)))

    def zone_info(self) -> ZoneInfo | None:
        """Return the zone of times without an offset, None for UTC."""
        return ZoneInfo(self.zone) if self.zone else None

    def check_columns(self, source: str, found: Iterable[str]) -> None:
        """Raise DataError, with all errors at once, unless the source has each mapped column once."""
        names = list(found)
        wanted = self.needed
        missing = [column for column in wanted if column not in names]
        twice = [column for column in wanted if names.count(column) > 1]
        if not missing and not twice:
            return
        problems = [f"missing column {', '.join(map(_shown, missing))}"] if missing else []
        problems += [f"{', '.join(map(_shown, twice))}: a column occurs twice"] if twice else []
        shown = ", ".join(repr(name) for name in names[:20]) + (", …" if len(names) > 20 else "")  # noqa: PLR2004 - enough
        right = (
            f"required are {', '.join(COLUMNS)}, or a map of columns (--map)"
            if self.is_native
            else f"correct `columns` in {self.name}"
        )
        hint = "; `serin data inspect` writes a map" if self.is_native else ""
        raise DataError(f"{source}: {'; '.join(problems)}; {right}; found {shown}{hint}")

    def record(self, found: Mapping[str, Any], ids: Counter[str]) -> dict[str, Any]:
        """Return a record with Serin's columns; `ids` counts equal records without an id. Raises ValueError."""
        record: dict[str, Any] = dict.fromkeys(COLUMNS, "")
        record |= {name: _stripped(found[column]) for name, column in self.columns.items() if name in record}
        if DEBIT in self.columns:
            record["amount"] = self._two_sided(found[self.columns[DEBIT]], found[self.columns[CREDIT]])
        else:
            amount = self._amount("amount", record["amount"])
            # Not -0.0, which would be written differently.
            record["amount"] = -amount if self.purchases == "negative" and amount else amount
            if self.sign is not None:
                record["amount"] = self.sign.apply(amount, str(found[self.sign.column]))
        if CLOCK in self.columns:
            record["timestamp"] = f"{record['timestamp']} {_stripped(found[self.columns[CLOCK]])}"
        if isinstance(record["timestamp"], str):
            try:
                record["timestamp"] = read_time(record["timestamp"], self.time)
            except ValueError as error:
                raise ValueError(f"timestamp {record['timestamp']!r} {_plain(error)}") from None
        if "txn_id" not in self.columns:
            content = repr([record[name] for name in COLUMNS if name not in {"txn_id", "category"}])
            key = xxhash.xxh3_64_hexdigest(content.encode("utf-8", "surrogatepass"))
            ids[key] += 1
            record["txn_id"] = f"{key}-{ids[key]}"
        return record

    def _two_sided(self, debit: Any, credit: Any) -> float:
        sides = [None if side is None or not str(side).strip() else side for side in (debit, credit)]
        paid, received = (0.0 if side is None else abs(self._amount("amount", side)) for side in sides)
        if (paid and received) or sides == [None, None]:
            raise ValueError(f"{'both' if paid else 'neither'} of debit and credit have an amount; exactly one must")
        return paid - received if received else paid

    def _amount(self, name: str, value: Any) -> float:
        if value is None or (isinstance(value, str) and not value.strip()):
            raise ValueError(f"{name} is empty; write one, or remove the row")
        try:
            return read_amount(value, self.decimal) if isinstance(value, str) else parse_amount(value)
        except ValueError as error:
            raise ValueError(f"{name} {value!r} {_plain(error)}") from None

    def assumptions(self, source: str) -> tuple[str, ...]:
        """Return how a source is read, in one line; nothing for Serin's own format."""
        zone = f"times without an offset are in {self.zone or 'UTC'}"
        if self.is_native:
            return (f"{source}: {zone}",) if self.zone else ()
        ids = "" if "txn_id" in self.columns else ", ids made from the contents"
        layout = f"{self.encoding}, separated by {self.separator!r}, decimal sign {self.decimal!r}"
        sign = "debit and credit columns" if DEBIT in self.columns else f"purchases {self.purchases}"
        sign = sign if self.sign is None else f"sign by {self.sign.column}"
        return (f"{source} by {self.name}: {layout}, times as {self.time}, {zone}, {sign}{ids}",)


def _shown(column: str) -> str:
    return column if column.isprintable() else repr(column)


def _stripped(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _plain(error: ValueError) -> str:
    return str(error).replace("Input should be", "must be")


NATIVE: Final = DataMap(columns={name: name for name in COLUMNS})


def parse_map(text: str, name: str) -> DataMap:
    """Parse map.yaml. Raises DataError with all errors at once."""
    try:
        found = load_yaml(text)
    except yaml.YAMLError as error:
        raise DataError(f"{name}: not valid YAML: {' '.join(str(error).split())}") from None
    if isinstance(found, dict) and "preset" in found:
        found = with_preset(found, name)
    if not isinstance(found, dict) or not found.get("columns"):
        raise DataError(f"{name}: it maps no column; write `columns:` with at least timestamp, merchant and amount")
    try:
        return DataMap.model_validate(found | {"name": name})
    except ValidationError as error:
        problems = "; ".join(_message(one) for one in error.errors())
        raise DataError(f"{name}: {' '.join(problems.split())}") from None


def read_map(path: Path | None, zone: str | None) -> DataMap:
    """Return the map of --map, with the zone of --zone where it names none. Raises DataError, OptionError."""
    if path is None:
        data_map = NATIVE
    elif str(path) in presets() and not path.exists():
        data_map = parse_map(f"preset: {path}", f"preset {path}")
    else:
        try:
            data_map = parse_map(path.read_text(encoding="utf-8"), str(path))
        except OSError as error:
            known = ", ".join(presets())
            raise OptionError(f"{path}: {error.strerror or error}; give a map of columns, or one of {known}") from None
        except UnicodeDecodeError:
            raise OptionError(f"{path}: not UTF-8; save the map as UTF-8") from None
    if zone is None:
        return data_map
    known_zone(zone)
    if data_map.zone not in {"", zone}:
        raise OptionError(f"--zone {zone}: {path} says {data_map.zone}; keep one of them")
    return data_map.model_copy(update={"zone": zone})


def known_zone(zone: str) -> str:
    """Return the zone of --zone. Raises OptionError."""
    if zone not in available_timezones():
        raise OptionError(f"--zone {zone}: not a time zone; write one like Europe/Berlin")
    return zone


def _message(error: Any) -> str:
    path = ".".join(map(str, error["loc"]))
    message = error["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    if error["type"] == "extra_forbidden":
        message = f"unknown; the keys are {', '.join(name for name in DataMap.model_fields if name != 'name')}"
    return f"{path}: {message}" if path else message
