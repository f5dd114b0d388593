"""Find what a browser would load from other hosts when it shows a page of the site."""

import re
from collections.abc import Iterator
from pathlib import Path

LOADS = re.compile(
    r"<(?:script|img|iframe|source|video|audio|embed|object)\b[^>]*\b(?:src|srcset|data)=[\"']?((?:https?:)?//[^\"'\s>]+)"
    r"|<link\b(?![^>]*\brel=[\"']?(?:canonical|next|prev|author|license))[^>]*\bhref=[\"']?((?:https?:)?//[^\"'\s>]+)"
)
STYLE_LOADS = re.compile(r"(?:@import\s+|url\()\s*[\"']?((?:https?:)?//[^\"')\s]+)")
PATTERNS = {".html": (LOADS, STYLE_LOADS), ".svg": (LOADS, STYLE_LOADS), ".css": (STYLE_LOADS,)}


def external_requests(folder: Path) -> Iterator[str]:
    """Yield `file: address` for each address on another host that a page or a stylesheet below `folder` loads."""
    for path in sorted(folder.rglob("*")):
        patterns = PATTERNS.get(path.suffix, ())
        for pattern in patterns:
            for match in pattern.finditer(path.read_text(encoding="utf-8")):
                yield f"{path.relative_to(folder)}: {next(filter(None, match.groups()))}"
