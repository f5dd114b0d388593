"""Prepare the pages of the site: copies of the repository's Markdown files whose links all lead to other pages.

The files are written for GitHub, where a link may lead to any file or folder. In the site, a link to a file that is not
a page leads to a page that shows this file, and a link to a folder to its README, or to a page with all its files.
"""

import posixpath
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
HOME = "README.md"
MORE = "More"
# Pages are these files, and all Markdown files of these folders.
FILES = (HOME, "CONTRIBUTING.md", "CHANGELOG.md", "charts/serin/README.md")
FOLDERS = ("docs", "benchmarks")

FENCE = re.compile(r"^\s*(```|~~~)")
CODE = re.compile(r"`[^`]+`")
LINK = re.compile(r"\]\((?![a-z]+:)([^)\s#]+)(#[^)\s]*)?\)")


class LinkError(Exception):
    """A link that leads nowhere: the page, the line and the target."""


@dataclass(frozen=True)
class Part:
    """A part of the navigation: its name, and the pages in their order, as paths below the repository."""

    name: str
    pages: tuple[str, ...]


def page_names(root: Path = ROOT) -> list[str]:
    """Return the paths of all Markdown files that are pages, below `root`."""
    below = [path.relative_to(root).as_posix() for folder in FOLDERS for path in (root / folder).rglob("*.md")]
    return sorted([*FILES, *below])


def navigation(text: str, names: list[str]) -> list[Part]:
    """Return the parts of navigation.toml, and a last one with pages that it does not name.

    Raises:
        ValueError: a page is named that does not exist, or is named twice.
    """
    parts = [Part(part["name"], tuple(part["pages"])) for part in tomllib.loads(text)["part"]]
    named = [page for part in parts for page in part.pages]
    for page in named:
        if page not in names:
            raise ValueError(f"website/navigation.toml names {page}, which does not exist")
        if named.count(page) > 1:
            raise ValueError(f"website/navigation.toml names {page} twice")
    is_decision = re.compile(r"docs/decisions/\d{4}-").match
    others = tuple(name for name in names if name not in named and name != HOME and not is_decision(name))
    return [*parts, Part(MORE, others)] if others else parts


def site_name(page: str) -> str:
    """Return the path of a page within the site: the README is the home page."""
    return "index.md" if page == HOME else page


def links(text: str) -> Iterator[tuple[int, re.Match[str]]]:
    """Yield the line number and match of each relative link outside of blocks of code."""
    inside = False
    for number, line in enumerate(text.splitlines(), start=1):
        if FENCE.match(line):
            inside = not inside
        elif not inside:
            code = [range(*span.span()) for span in CODE.finditer(line)]
            for match in LINK.finditer(line):
                if not any(match.start() in span for span in code):
                    yield number, match


def with_links_to_pages(page: str, text: str, names: list[str], shown: set[str], root: Path = ROOT) -> str:
    """Return the page's text with links that lead to pages of the site; add files and folders to show to `shown`.

    `names` are all pages.

    Raises:
        LinkError: a link leads to a file that does not exist, or out of the repository.
    """
    lines = text.splitlines(keepends=True)
    for number, match in reversed(list(links(text))):
        line = lines[number - 1]
        target = posixpath.normpath(posixpath.join(posixpath.dirname(page), match[1]))
        if target.startswith("..") or not (target in names or (root / target).exists()):
            raise LinkError(f"{page}:{number}: {match[1]} does not exist")
        new = posixpath.relpath(_page_of(target, names, shown), posixpath.dirname(site_name(page)) or ".")
        lines[number - 1] = f"{line[: match.start()]}]({new}{match[2] or ''}){line[match.end() :]}"
    return "".join(lines)


def _page_of(target: str, names: list[str], shown: set[str]) -> str:
    target = f"{target}/README.md" if f"{target}/README.md" in names else target
    if target in names or target.endswith((".svg", ".png")):
        return site_name(target)
    shown.add(target)
    return f"files/{target}.md"


def page_of_file(target: str, root: Path = ROOT) -> str:
    """Return the page that shows a file, or all files below a folder."""
    path = root / target
    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    blocks = [_block(one, root, with_heading=path.is_dir()) for one in files]
    return "\n".join(["---", "orphan: true", "---", f"# {target}", "", *blocks])


def _block(path: Path, root: Path, *, with_heading: bool) -> str:
    text = path.read_text(encoding="utf-8")
    fence = "`" * max([3, *(len(found) + 1 for found in re.findall(r"`{3,}", text))])
    language = {".yaml": "yaml", ".json": "json", ".lua": "lua", ".py": "python"}.get(path.suffix, "text")
    heading = f"## {path.relative_to(root).as_posix()}\n\n" if with_heading else ""
    return f"{heading}{fence}{language}\n{text.rstrip()}\n{fence}\n"


def contents(parts: list[Part]) -> str:
    """Return the tables of contents that the home page ends with; the theme shows them in the sidebar."""
    tables = []
    for part in parts:
        names = "\n".join(f"/{site_name(page).removesuffix('.md')}" for page in part.pages)
        tables.append(f"```{{toctree}}\n:hidden:\n:maxdepth: 1\n:caption: {part.name}\n\n{names}\n```\n")
    return "\n".join(tables)
