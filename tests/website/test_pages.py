"""The pages of the documentation site: their links, their place in the navigation, and what a browser would load."""

import pytest

from website import decisions
from website.build import WEBSITE, generated_pages
from website.external import external_requests
from website.pages import (
    MORE,
    ROOT,
    LinkError,
    contents,
    navigation,
    page_names,
    page_of_file,
    with_links_to_pages,
)


@pytest.fixture
def repository(tmp_path):
    for name, text in {
        "README.md": "# Home",
        "docs/gates.md": "# Gates",
        "docs/decisions/0001-one.md": "# 1. One",
        "docs/decisions/0002-two.md": "# 0002: Two of them",
        "examples/gitops/a.yaml": "a: 1\n",
        "examples/gitops/deep/b.md": "```yaml\nb: 2\n```\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


NAMES = ["README.md", "docs/gates.md", "docs/decisions/README.md"]


@pytest.mark.parametrize(
    ("page", "link", "expected"),
    [
        ("README.md", "docs/gates.md#a-gate", "docs/gates.md#a-gate"),
        ("docs/gates.md", "../README.md", "../index.md"),
        ("docs/gates.md", "decisions", "decisions/README.md"),
        ("docs/gates.md", "../examples/gitops", "../files/examples/gitops.md"),
        ("docs/gates.md", "../examples/gitops/a.yaml", "../files/examples/gitops/a.yaml.md"),
        ("docs/gates.md", "https://example.com/x", "https://example.com/x"),
        ("docs/gates.md", "#below", "#below"),
    ],
)
def test_a_link_leads_to_a_page_of_the_site(repository, page, link, expected):
    assert with_links_to_pages(page, f"see [it]({link}).", NAMES, set(), repository) == f"see [it]({expected})."


def test_a_link_may_have_code_as_its_text(repository):
    text = with_links_to_pages("docs/gates.md", "[`make demo`](../README.md) or `[it](none)`", NAMES, set(), repository)
    assert text == "[`make demo`](../index.md) or `[it](none)`"


def test_files_that_are_no_pages_are_to_be_shown(repository):
    shown = set()
    text = "[a](../examples/gitops/a.yaml), [all](../examples/gitops)"
    with_links_to_pages("docs/gates.md", text, NAMES, shown, repository)
    assert shown == {"examples/gitops/a.yaml", "examples/gitops"}


@pytest.mark.parametrize("link", ["nothing.md", "../../outside.md", "../examples/none"])
def test_a_link_that_leads_nowhere_is_named_with_its_line(repository, link):
    with pytest.raises(LinkError, match=r"docs/gates\.md:2: .* does not exist"):
        with_links_to_pages("docs/gates.md", f"first\n[it]({link})", NAMES, set(), repository)


def test_links_in_code_stay(repository):
    text = "```yaml\n[it](nothing.md)\n```\nand `[it](nothing.md)`"
    assert with_links_to_pages("docs/gates.md", "```yaml\n[it](nothing.md)\n```\n", NAMES, set(), repository) in text


def test_a_folder_is_shown_with_all_its_files(repository):
    page = page_of_file("examples/gitops", repository)
    assert "## examples/gitops/a.yaml\n\n```yaml\na: 1\n```" in page
    assert "## examples/gitops/deep/b.md\n\n````text\n```yaml" in page


def test_a_page_without_a_place_in_the_navigation_is_under_more():
    parts = navigation('[[part]]\nname = "Reference"\npages = ["docs/gates.md"]\n', [*NAMES, "docs/new.md"])
    assert [(part.name, part.pages) for part in parts] == [
        ("Reference", ("docs/gates.md",)),
        (MORE, ("docs/decisions/README.md", "docs/new.md")),
    ]
    assert "/docs/new\n" in contents(parts)


@pytest.mark.parametrize(
    ("pages", "message"),
    [('"docs/none.md"', "docs/none.md, which does not exist"), ('"docs/gates.md", "docs/gates.md"', "twice")],
)
def test_a_wrong_navigation_names_the_page(pages, message):
    with pytest.raises(ValueError, match=message):
        navigation(f'[[part]]\nname = "Reference"\npages = [{pages}]\n', NAMES)


def test_decisions_are_listed_by_number_and_title(repository):
    listed = decisions.index(repository / "docs" / "decisions")
    assert "| 1 | [One](0001-one.md) |\n| 2 | [Two of them](0002-two.md) |\n" in listed
    assert "\n0001-one\n0002-two\n" in listed


def test_every_link_of_this_repository_leads_somewhere():
    names = [*page_names(), *generated_pages()]
    for name in page_names():
        with_links_to_pages(name, (ROOT / name).read_text(encoding="utf-8"), names, set())


def test_the_navigation_of_this_repository_is_right():
    names = [*page_names(), *generated_pages()]
    parts = navigation((WEBSITE / "navigation.toml").read_text(encoding="utf-8"), names)
    assert sum(len(part.pages) for part in parts) > 30


def test_what_a_browser_would_load_from_elsewhere_is_found(tmp_path):
    (tmp_path / "page.html").write_text(
        '<a href="https://a.example/">a</a><link rel="canonical" href="https://b.example/">'
        '<link rel="stylesheet" href="https://c.example/x.css"><script async src="//d.example/x.js"></script>'
        '<img src="own.svg"><img alt="x" src="http://e.example/x.png">'
    )
    (tmp_path / "style.css").write_text('@import "https://f.example/x.css"; a { background: url(own.svg) }')
    assert list(external_requests(tmp_path)) == [
        "page.html: https://c.example/x.css",
        "page.html: //d.example/x.js",
        "page.html: http://e.example/x.png",
        "style.css: https://f.example/x.css",
    ]
