"""Records of a CSV file, each with its line. Quotes are strict: a text with a quote that is not doubled is refused.

Programs that export without doubling quotes make two rows look like one; that, too, is refused.
"""

import csv
import gzip
import io
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count, islice
from pathlib import Path
from typing import Any, Final

from serin_training.data.data_map import DataMap
from serin_training.errors import DataError

_GZIP: Final = b"\x1f\x8b"
MAX_LINE: Final = 1 << 24
"""Characters of a line; a compressed file may have one that does not fit into memory."""
_DOUBLED: Final = 'write a quote inside a text twice ("")'


def open_bytes(path: Path) -> io.BufferedReader:
    """Return the content of a file, plain or gzip. Raises OSError."""
    file = path.open("rb")
    is_gzip = file.read(2) == _GZIP
    file.seek(0)
    return io.BufferedReader(gzip.GzipFile(fileobj=file)) if is_gzip else file


def open_text(path: Path, encoding: str) -> io.TextIOWrapper:
    """Return the text of a file, plain or gzip. Raises OSError."""
    return io.TextIOWrapper(open_bytes(path), encoding="utf-8-sig" if encoding == "utf-8" else encoding, newline="")


def read_lines(path: Path, name: str, encoding: str) -> Iterator[str]:
    """Yield the lines of a file, each with its end. Raises DataError."""
    number = 0
    try:
        with open_text(path, encoding) as text:
            for number in count(1):
                line = text.readline(MAX_LINE + 1)
                if len(line) > MAX_LINE:
                    raise DataError(f"{name}, line {number}: it has more than {MAX_LINE} characters; give a CSV file")
                if not line:
                    return
                yield line
    except UnicodeDecodeError as error:
        right = "save the file as UTF-8, or name its encoding in a map (--map)"
        problem = f"byte {error.object[error.start]:#04x} near line {number} is not {encoding.upper()}"
        raise DataError(f"{name}: {problem}; {right}") from None
    except UnicodeError:
        raise DataError(f"{name}: the text is not {encoding}; name its encoding in the map") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{name}: the gzip file is damaged ({' '.join(str(error).split())})") from None
    except OSError as error:
        raise DataError(f"{name}: {error.strerror or error}; give a readable file") from None


def read_records(path: Path, name: str, data_map: DataMap) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield the header and then the rows, each with the line on which it begins. Raises DataError."""
    line = data_map.preamble
    lines = islice(read_lines(path, name, data_map.encoding), data_map.preamble, None)
    reader = csv.reader(lines, strict=True, delimiter=data_map.separator)
    try:
        for fields in reader:
            first, line = line + 1, data_map.preamble + reader.line_num
            if line > first:
                _check_lines(fields, f"{name}, line {first}", separator=data_map.separator)
            if fields:
                yield first, fields
    except csv.Error as error:
        raise DataError(_problem(path, name, data_map, error, after=line)) from None


def rows_of(
    name: str, data_map: DataMap, header: Sequence[str], records: Iterable[tuple[int, Sequence[str]]]
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the records without the footer, by column. Raises DataError if one has too few or too many fields."""
    waiting: deque[tuple[int, Sequence[str]]] = deque()
    for record in records:
        waiting.append(record)
        if len(waiting) <= data_map.footer:
            continue
        line, fields = waiting.popleft()
        if len(fields) == len(header) + 1 and not fields[-1].strip():
            fields = fields[:-1]  # a separator at the end of a row
        if len(fields) != len(header):
            raise DataError(
                f"{name}, line {line}: {len(fields)} fields, not as many fields as in the header ({len(header)}); "
                f"quote fields that contain a {'comma' if data_map.separator == ',' else repr(data_map.separator)}"
            )
        yield line, dict(zip(header, fields, strict=True))


def _check_lines(fields: Sequence[str], place: str, *, separator: str) -> None:
    """Refuse a text that holds the rest of one row and the beginning of the next."""
    for field in fields:
        if ("\n" in field or "\r" in field) and field.count(separator) >= len(fields) - 1 > 0:
            raise DataError(
                f"{place}: the quote that opens before {field[:20]!r} closes only in a later row, so that two rows "
                f"become one; {_DOUBLED}, or remove the line break from the text"
            )


def _problem(path: Path, name: str, data_map: DataMap, error: csv.Error, *, after: int) -> str:
    with open_text(path, data_map.encoding) as text:
        opened, is_open = _last_quote(islice(text, after, None), data_map.separator, error)
    if opened is None or not (is_open or "expected after" in str(error)):
        return f"{name}, near line {after + 1}: not valid CSV ({error})"
    what = "is never closed" if is_open else "closes before the end of its field"
    return f"{name}, line {after + opened}: the quote that opens here {what}; {_DOUBLED}"


def _last_quote(lines: Iterable[str], separator: str, error: csv.Error) -> tuple[int | None, bool]:
    """Return the line, from 1, on which the last quoted field before an error opens, and whether it stays open."""
    opened: int | None = None
    is_start, is_open, was_quote = True, False, False
    for number, line in enumerate(lines, start=1):
        for sign in line:
            if is_open and not was_quote:
                was_quote = sign == '"'
            elif was_quote and sign == '"':
                was_quote = False
            elif was_quote and sign not in {separator, "\n", "\r"}:
                return opened, False
            else:
                is_open = is_start and sign == '"'
                opened = number if is_open else opened
                is_start, was_quote = sign in {separator, "\n", "\r"}, False
        if not is_open and "limit" in str(error):
            break
    return opened, is_open and not was_quote
