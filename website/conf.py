"""Settings of Sphinx for the site; `website/build.py` calls it with the prepared pages."""

import os

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

project = "Serin"
project_copyright = "the Serin authors, Apache-2.0"
root_doc = "index"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}

# The pages are written for GitHub: its anchors for headings, its tables, and no syntax beyond it.
myst_heading_anchors = 4
highlight_language = "text"

html_theme = "furo"
html_title = "Serin"
html_short_title = "Serin"
html_static_path = [os.environ["SERIN_SITE_STATIC"]]
html_css_files = ["site.css"]
html_js_files = [("diagrams.js", {"defer": "defer"})]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}
pygments_style = "friendly"
pygments_dark_style = "github-dark"
suppress_warnings = ["misc.highlighting_failure"]  # a block that its lexer does not understand is shown without colours


def setup(app: Sphinx) -> None:
    """Show diagrams as text where there is no JavaScript."""
    app.add_lexer("mermaid", TextLexer)
