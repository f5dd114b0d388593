"""Lines with styles, from which a view of a terminal is made. Pure."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from serin_core.text_tables import printable

Style = Literal["", "bold", "dim", "good", "bad", "wait"]


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a line in one style."""

    text: str
    style: Style = ""


Line = tuple[Span, ...]
EMPTY: Line = ()


def line(*pieces: str | tuple[str, Style]) -> Line:
    """Return a line of texts, each without or with a style.

    Characters that move a cursor or change colours, as an Event's message may have, become spaces.
    """
    spans = (Span(piece) if isinstance(piece, str) else Span(*piece) for piece in pieces)
    return tuple(Span(printable(span.text), span.style) for span in spans)


def plain(found: Line) -> str:
    """Return the text of a line."""
    return "".join(span.text for span in found).rstrip()


def cut(found: Line, width: int) -> Line:
    """Return a line of at most `width` characters; what is cut off is shown as `…`."""
    if len(plain(found)) <= width:
        return found
    left, kept = width - 1, []
    for span in found:
        kept.append(Span(span.text[:left], span.style))
        left -= len(kept[-1].text)
    return (*kept, Span("…", "dim"))


def wrapped(text: str, width: int, *, indent: int, style: Style = "", lines: int | None = None) -> list[Line]:
    """Return a text as lines that are indented, at most `lines` of them."""
    pieces = textwrap.wrap(" ".join(text.split()), max(width - indent, 1), max_lines=lines, placeholder=" …")
    return [line(" " * indent, (piece, style)) for piece in pieces]


def hanging(head: Line, text: str, width: int, style: Style = "") -> list[Line]:
    """Return a text behind a head, its further lines indented by the width of the head."""
    indent = sum(len(span.text) for span in head)
    first, *others = wrapped(text, width, indent=indent, style=style) or [EMPTY]
    return [(*head, *first[1:]), *others]


def joined(clauses: Sequence[str]) -> str:
    """Return clauses as an enumeration: `a, b and c`."""
    return clauses[0] if len(clauses) == 1 else f"{', '.join(clauses[:-1])} and {clauses[-1]}" if clauses else ""
