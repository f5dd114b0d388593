"""The encoding of a file, and whether it is a text at all."""

import codecs
import re
import zlib
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Final

from serin_training.data.csv_records import open_bytes
from serin_training.errors import DataError
from serin_training.inspection.findings import Certainty, Finding

_BLOCK: Final = 1 << 20
_OTHER_FORMATS: Final = (
    (b"PK\x03\x04", "a spreadsheet or an archive; save the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old spreadsheet; save the sheet as CSV"),
    (b"%PDF", "a PDF; ask the bank for CSV"),
    (b"OFXHEADER", "a statement in OFX, which needs no map; name the file .ofx"),
    (b":20:", "a statement in MT940, which needs no map; name the file .sta"),
    (b"<?xml", "XML, such as CAMT.053; export CSV, OFX or MT940"),
    (b"PAR1", "a Parquet file, whose columns have types; if their names differ, write `columns` in a map"),
)
_MARKS: Final = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_SINGLE_BYTE: Final = ("cp1252", "cp1250", "cp850", "mac_roman")
_CYRILLIC: Final = ("cp1251", "koi8_r")
_SIGNS: Final = frozenset("€£§°\u00b4\u2018\u2019“”„«»\u2013—\u00a0·®ºª½¼")
_WORD: Final = re.compile(r"[^\W\d_]*[^\x00-\x7f]+(?:[^\W\d_]|[^\x00-\x7f])*")
_SHOWN: Final = 12


def find_encoding(path: Path, name: str) -> Finding:
    """Return the encoding of a file. Raises DataError if it is not a text, or cannot be read."""
    try:
        with open_bytes(path) as file:
            head = file.read(_BLOCK)
            _refuse_other_formats(head, name)
            for mark, encoding in _MARKS:
                if head.startswith(mark):
                    return Finding("encoding", encoding, Certainty.SURE, "it begins with a byte order mark")
            if head[1::2].count(0) > len(head) // 4 or head[::2].count(0) > len(head) // 4:
                encoding = "utf-16-le" if head[1::2].count(0) > head[::2].count(0) else "utf-16-be"
                return Finding("encoding", encoding, Certainty.LIKELY, "every other byte is NUL")
            return _of_bytes(iter(lambda: file.read(_BLOCK), b""), head)
    except (OSError, EOFError, zlib.error) as error:
        problem = getattr(error, "strerror", None) or f"the gzip file is damaged ({error})"
        raise DataError(f"{name}: {problem}; give a readable file") from None


def _refuse_other_formats(head: bytes, name: str) -> None:
    if not head.strip():
        raise DataError(f"{name}: the file is empty")
    for magic, what in _OTHER_FORMATS:
        if head.startswith(magic):
            raise DataError(f"{name}: {what}")


def _of_bytes(blocks: Iterable[bytes], head: bytes) -> Finding:
    decoder, is_ascii, foreign = codecs.getincrementaldecoder("utf-8")(), True, b""
    is_utf8 = True
    for block in (head, *blocks):
        is_ascii &= block.isascii()
        if not block.isascii() and len(foreign) < _BLOCK:
            foreign += b"\n".join(line for line in block.splitlines() if not line.isascii())
        try:
            decoder.decode(block)
        except UnicodeDecodeError:
            is_utf8 = False
            break
    if is_ascii:
        return Finding("encoding", "utf-8", Certainty.SURE, "all characters are ASCII")
    if is_utf8:
        return Finding("encoding", "utf-8", Certainty.SURE, "every byte is valid UTF-8")
    return _single_byte(foreign)


def _single_byte(lines: bytes) -> Finding:
    """Return the first encoding by which the characters beyond ASCII are letters in plausible words."""
    readings = {encoding: _words(lines, encoding) for encoding in (*_SINGLE_BYTE, *_CYRILLIC)}
    latin = readings["cp1252"]
    # In Latin scripts letters beyond ASCII are few; in others nearly all are.
    beyond = sum(not sign.isascii() for word in latin for sign in word)
    candidates = _CYRILLIC if beyond > sum(map(len, latin)) / 2 else _SINGLE_BYTE
    fitting = [encoding for encoding in candidates if _is_plausible(readings[encoding])] or list(candidates)
    chosen, *others = fitting
    letters = _letters(readings[chosen])
    why = f"it is not UTF-8; the letters would be {letters}"
    differing = next((one for one in others if _letters(readings[one]) != letters), None)
    if differing is not None:
        why += f", as {differing} they would be {_letters(readings[differing])}"
    return Finding("encoding", chosen, Certainty.LIKELY, why)


def _words(lines: bytes, encoding: str) -> set[str]:
    return set(_WORD.findall(lines.decode(encoding, "replace")))


def _letters(words: Iterable[str]) -> str:
    return " ".join(sorted({sign for word in words for sign in word if not sign.isascii()})[:_SHOWN])


def _is_plausible(words: Iterable[str]) -> bool:
    for word in words:
        if any(not (sign.isalpha() or sign in _SIGNS) for sign in word if not sign.isascii()):
            return False
        if any(before.islower() and after.isupper() and not after.isascii() for before, after in pairwise(word)):
            return False
    return True
