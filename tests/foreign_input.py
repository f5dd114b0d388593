"""Texts and values as nobody should send them, for tests of everything that parses what others have written."""

import json
import math

from hypothesis import strategies as st

DEEP = 20_000
HOSTILE_VALUES = (
    None, True, 0, -1, 10**400, "9" * 5000, math.nan, math.inf, -math.inf, 1e-320, "", "\0", "\ud800", "\u2028\n",
    "../../etc/passwd", "NaN", [], {}, [[]], {"": None}, {"__proto__": {}}, [[[[[[[[[[1]]]]]]]]]], "x" * 3000,
)  # fmt: skip
HOSTILE_TEXTS = (
    b"", b"\0", b"\xff\xfe", b"\xef\xbb\xbf{}", b"null", b"NaN", b"[]", b"{}", b'""', b"1e999", b"9" * 10_000,
    b"[" * DEEP, b"[" * DEEP + b"]" * DEEP, b'{"a":' * DEEP + b"1" + b"}" * DEEP, b'"\\ud800"', b'{"\\ud800": 1}',
    b'{"a": 1, "a": 2}', b"<html>", b"\x1f\x8b\x08\x00", b"\x80\x04N.", b"PK\x03\x04", b"# " + b"x" * 10_000,
)  # fmt: skip
HOSTILE_NAMES = ("", "\ud800", "\0", "a\nb", "x" * 300)
INSERTED = (
    b"\0",
    b"\xff",
    b"\n",
    b'"',
    b"[",
    b"{",
    b"*",
    b"&a ",
    b"9" * 400,
    b"-",
    b"\r",
    b",",
    b"'",
    b"\\",
    b"!!int ",
)
hostile_values = st.sampled_from(HOSTILE_VALUES)


def places(value, path=()):
    """Return the path of every part of a value, the whole first."""
    found = [path]
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        found += places(part, (*path, key))
    return found


def replaced(value, path, change):
    """Return a copy in which one part is another; `change` is a function of that part."""
    if not path:
        return change(value)
    copied = value.copy()
    copied[path[0]] = replaced(value[path[0]], path[1:], change)
    return copied


def renamed(part, name):
    """Return an object with one more field, or with its first field under another name."""
    if not isinstance(part, dict):
        return [part, part]
    first = next(iter(part), "")
    return {name if key == first else key: one for key, one in part.items()} | ({name: 1} if not part else {})


def removed(part, key):
    """Return an object or a list without one of its parts."""
    if isinstance(part, dict):
        return {name: one for name, one in part.items() if name != key}
    return part[:key] + part[key + 1 :]


@st.composite
def damaged_values(draw, valid):
    """A value that was valid, with up to three parts replaced, renamed, wrapped or removed."""
    value = valid
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(places(value)))
        new, name = draw(hostile_values), draw(st.sampled_from(HOSTILE_NAMES))
        changes = {
            "replace": lambda _part, new=new: new,
            "rename": lambda part, name=name: renamed(part, name),
            "wrap": lambda part: [part],
            "remove": lambda part, key=path[-1:]: removed(part, key[0]),
        }
        how = draw(st.sampled_from([*changes][: 4 if path else 3]))
        value = replaced(value, path[:-1] if how == "remove" else path, changes[how])
    return value


@st.composite
def damaged_texts(draw, valid):
    """A text that was valid, cut, with bytes changed or inserted, or another one."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from(HOSTILE_TEXTS))
    text = bytearray(valid)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        how = draw(st.sampled_from(["cut", "flip", "insert", "repeat"]))
        if how == "cut":
            del text[at : at + draw(st.integers(1, 200))]
        elif how == "flip" and at < len(text):
            text[at] ^= draw(st.integers(1, 255))
        elif how == "insert":
            text[at:at] = draw(
                st.sampled_from([b"\0", b"\xff", b"\n", b'"', b"[", b"{", b"*", b"&a ", b"9" * 400, b"-"])
            )
        else:
            text[at:at] = text[at : at + 50] * draw(st.integers(1, 3))
    return bytes(text)


def damaged_json(valid):
    """JSON that was a valid value: with other values, or with other bytes."""
    text = json.dumps(valid).encode()
    return st.one_of(damaged_values(valid).map(lambda value: json.dumps(value).encode()), damaged_texts(text))
