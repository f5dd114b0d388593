"""Remove files of installed packages that a program never uses.

    python images/prune.py SITE_PACKAGES LIST...

A list has one glob per line, relative to site-packages; `#` begins a comment. A glob that matches nothing is an error,
because the list is then out of date, unless it begins with `?`. Files that are removed also leave their RECORD.
"""

import csv
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path


class OutdatedError(ValueError):
    """A glob of a list matches nothing."""


def globs(text: str) -> list[str]:
    """Return the globs of a list, without comments."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def matches(site: Path, patterns: list[str]) -> Iterator[Path]:
    """Yield files and folders to remove, each one once for every glob that it matches. Raises OutdatedError."""
    for pattern in patterns:
        found = sorted(site.glob(pattern.removeprefix("?")))
        if not found and not pattern.startswith("?"):
            raise OutdatedError(f"{pattern} matches nothing in {site}")
        yield from found


def prune(site: Path, patterns: list[str]) -> int:
    """Remove what the globs match, and return the number of bytes removed."""
    removed = 0
    for path in list(matches(site, patterns)):
        if path.is_dir() and not path.is_symlink():
            removed += sum(file.lstat().st_size for file in path.rglob("*") if file.is_file())
            shutil.rmtree(path)
        elif path.exists():
            removed += path.lstat().st_size
            path.unlink()
    for record in site.glob("*.dist-info/RECORD"):
        _rewrite(record)
    return removed


def _rewrite(record: Path) -> None:
    """Leave the files out of a RECORD that no longer exist."""
    site = record.parents[1]
    with record.open(newline="", encoding="utf-8") as source:
        rows = [row for row in csv.reader(source) if (site / row[0]).exists()]
    with record.open("w", newline="", encoding="utf-8") as target:
        csv.writer(target, lineterminator="\n").writerows(rows)


def main(site: str, *lists: str) -> None:
    """Prune by all lists."""
    patterns = [pattern for one in lists for pattern in globs(Path(one).read_text(encoding="utf-8"))]
    sys.stdout.write(f"pruned {prune(Path(site), patterns) / 1e6:.1f} MB\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
