"""The commands in blocks of code of the pages, and what the comment before a block says about running it."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from markdown_it import MarkdownIt

SHELL = {"", "sh", "bash", "console"}
PROGRAMS = {
    "serin",
    "kubectl",
    "helm",
    "make",
    "docker",
    "kind",
    "pip",
    "python",
    "python3",
    "curl",
    "openssl",
    "git",
    "cp",
}
MARKER = re.compile(r"<!-- (run|not run|tested by)(?::? ([^>]+?))? -->")


@dataclass(frozen=True)
class Block:
    """A block of code with commands.

    Attributes:
        line: its first line in the page, from 1.
        text: its text.
        kind: run, not run, tested by, or "" without a comment.
        detail: the reason or the test that the comment names.
        is_session: whether commands begin with `$ `, and other lines are output.
    """

    line: int
    text: str
    kind: str
    detail: str
    is_session: bool

    def commands(self) -> list[list[str]]:
        """Return the words of each command of the block; a line that is no shell text gives none."""
        text = re.sub(r"\\\n\s*", " ", self.text)
        lines = [line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ ") or not self.is_session]
        return [words for line in lines for words in split(line)]


def split(line: str) -> Iterator[list[str]]:
    """Yield the words of each command of a line, without assignments before it and comments after it."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    words: list[str] = []
    try:
        found = [*lexer, ";"]
    except ValueError:
        return
    for word in found:
        if word in {"|", "&&", ";", "&", "||"}:
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words.pop(0)
            if words:
                yield words
            words = []
        else:
            words.append(word)


def blocks(text: str) -> Iterator[Block]:
    """Yield the blocks of a page that have a command."""
    marker = ("", "")
    for token in MarkdownIt().parse(text):
        if token.type == "html_block" and (found := MARKER.search(token.content)):
            marker = (found[1], found[2] or "")
        elif token.type in {"code_block", "fence"}:
            info = token.info.strip()
            block = Block(token.map[0] + 1, token.content, *marker, is_session=info == "console")
            marker = ("", "")
            if info in SHELL and any(words[0] in PROGRAMS for words in block.commands()):
                yield block
