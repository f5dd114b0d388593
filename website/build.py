"""Build the documentation site from the Markdown files of the repository. `make docs` runs it.

python website/build.py --mermaid mermaid.tiny.js --output .site
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

from sphinx.cmd.build import build_main

from website import decisions, reference
from website.external import external_requests
from website.pages import (
    FOLDERS,
    HOME,
    MORE,
    ROOT,
    LinkError,
    contents,
    navigation,
    page_names,
    page_of_file,
    site_name,
    with_links_to_pages,
)

WEBSITE = Path(__file__).parent


def prepare(source: Path) -> None:
    """Write all pages of the site, with what they show, into `source`.

    Raises:
        LinkError: a link leads nowhere.
        ValueError: navigation.toml is wrong.
    """
    written = {name: (ROOT / name).read_text(encoding="utf-8") for name in page_names()}
    texts = {**written, **generated_pages()}
    parts = navigation((WEBSITE / "navigation.toml").read_text(encoding="utf-8"), sorted(texts))
    shown: set[str] = set()
    for folder in FOLDERS:
        ignore = shutil.ignore_patterns("*.md", "*.py", "__pycache__")
        shutil.copytree(ROOT / folder, source / folder, ignore=ignore)
    for name, text in texts.items():
        page = with_links_to_pages(name, text, list(texts), shown)
        _write(source / site_name(name), f"{page}\n{contents(parts)}" if name == HOME else page)
    for target in shown:
        _write(source / "files" / f"{target}.md", page_of_file(target))
    for part in parts:
        if part.name == MORE:
            print(f"website/navigation.toml does not name {', '.join(part.pages)}", file=sys.stderr)  # noqa: T201


def generated_pages() -> dict[str, str]:
    """Return the pages that are made from the sources, by their path below the repository."""
    return {
        "docs/decisions/README.md": decisions.index(),
        "docs/reference/resource.md": reference.resource(),
        "docs/reference/command-line.md": reference.command_line(),
        "docs/reference/http-api.md": reference.http_api(),
    }


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def build(output: Path, mermaid: Path) -> int:
    """Build the site into `output`/html; return the exit status: 0, or 1 with the errors on stderr."""
    source, static, html = output / "source", output / "static", output / "html"
    for folder in (source, static, html):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(WEBSITE / "static", static)
    shutil.copy(mermaid, static)
    try:
        prepare(source)
    except (LinkError, ValueError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    os.environ["SERIN_SITE_STATIC"] = str(static.resolve())
    strict = ["-q", "-E", "-W", "--keep-going"]
    folders = ["-c", str(WEBSITE), "-d", str(output / "doctrees"), str(source), str(html)]
    status = build_main([*strict, *folders])
    for found in external_requests(html):
        print(f"loads from another host: {found}", file=sys.stderr)  # noqa: T201
        status = 1
    return status


def main() -> None:
    """Build the site."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mermaid", type=Path, required=True, help="mermaid.tiny.js of the package @mermaid-js/tiny")
    parser.add_argument("--output", type=Path, default=ROOT / ".site")
    arguments = parser.parse_args()
    status = build(arguments.output, arguments.mermaid)
    if status == 0:
        print(f"{arguments.output / 'html' / 'index.html'}")  # noqa: T201
    raise SystemExit(status)


if __name__ == "__main__":
    main()
