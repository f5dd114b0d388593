"""The list of all decisions, with which the site replaces the listing of docs/decisions."""

import re
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "docs" / "decisions"
HEADER = """# Design decisions

Each page explains one choice that a newcomer would question: what was decided, why, and what was considered instead. A
decision that no longer holds is edited or deleted, so that all pages describe Serin as it is.

| number | decision |
|---|---|
"""


def index(folder: Path = FOLDER) -> str:
    """Return the list of decisions in `folder` as Markdown, one row each, by number."""
    rows = []
    for path in sorted(folder.glob("[0-9]*.md")):
        title = re.sub(r"^#\s*(\d+\s*[.:]\s*)?", "", path.read_text(encoding="utf-8").splitlines()[0])
        rows.append(f"| {int(path.name[:4])} | [{title}]({path.name}) |\n")
    entries = "\n".join(path.stem for path in sorted(folder.glob("[0-9]*.md")))
    return f"{HEADER}{''.join(rows)}\n```{{toctree}}\n:hidden:\n\n{entries}\n```\n"
