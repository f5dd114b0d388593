"""Write what is inside each image into docs/images.md, from the OCI archives that `make images` built.

    python images/table.py [FOLDER]

Needs nothing but the archives; layers are read, not unpacked.
"""

import io
import json
import re
import sys
import tarfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "images.md"
BEGIN, END = "<!-- made by make images-table -->\n", "<!-- end -->\n"
NAMES = ("operator", "server", "training", "dashboard")
LARGEST = 8


class Archive:
    """One image in an OCI archive."""

    def __init__(self, path: Path) -> None:
        self._tar = tarfile.open(path)  # noqa: SIM115 - for as long as this object is used
        [entry] = json.loads(self._read("index.json"))["manifests"]
        self.digest = entry["digest"]
        self.manifest = json.loads(self._blob(self.digest))

    def compressed_bytes(self) -> int:
        """Return what a node downloads."""
        return sum(layer["size"] for layer in self.manifest["layers"])

    def labels(self) -> dict[str, str]:
        """Return the labels of the image."""
        labels: dict[str, str] = json.loads(self._blob(self.manifest["config"]["digest"]))["config"]["Labels"]
        return labels

    def files(self) -> dict[str, int]:
        """Return the bytes of every file, as the last layer that has it shows it."""
        found: dict[str, int] = {}
        for layer in self.manifest["layers"]:
            with tarfile.open(fileobj=io.BytesIO(self._blob(layer["digest"]))) as tar:
                for member in tar:
                    _apply(found, member)
        return found

    def _read(self, name: str) -> bytes:
        file = self._tar.extractfile(name)
        if file is None:
            raise FileNotFoundError(name)
        return file.read()

    def _blob(self, digest: str) -> bytes:
        return self._read(f"blobs/{digest.replace(':', '/')}")


def _apply(found: dict[str, int], member: tarfile.TarInfo) -> None:
    name = member.name.removeprefix("./")
    folder, _, base = name.rpartition("/")
    if base.startswith(".wh."):
        hidden = f"{folder}/{base.removeprefix('.wh.')}".lstrip("/")
        for one in [one for one in found if one == hidden or one.startswith(f"{hidden}/")]:
            del found[one]
    elif member.isfile():
        found[name] = member.size


def packages(files: dict[str, int]) -> Counter[str]:
    """Return the bytes of each top-level package of /venv."""
    sizes: Counter[str] = Counter()
    for name, size in files.items():
        if inside := re.match(r"venv/lib/python[\d.]+/site-packages/([^/]+)", name):
            sizes[inside[1].removesuffix(".libs")] += size
    return sizes


def table(folder: Path) -> str:
    """Return the table in Markdown."""
    lines = [
        "| image | download | unpacked | /venv | Python packages | largest in /venv (MB) |",
        "|---|---|---|---|---|---|",
    ]
    for name in NAMES:
        archive = Archive(folder / f"serin-{name}.tar")
        files = archive.files()
        venv = sum(size for path, size in files.items() if path.startswith("venv/"))
        count = sum(path.endswith(".dist-info/METADATA") for path in files)
        largest = ", ".join(f"{one} {size / 1e6:.0f}" for one, size in packages(files).most_common(LARGEST))
        sizes = (archive.compressed_bytes(), sum(files.values()), venv)
        lines.append(f"| {name} | {' | '.join(f'{size / 1e6:.0f} MB' for size in sizes)} | {count} | {largest} |")
    return "\n".join(lines) + "\n"


def main(folder: str = ".images") -> None:
    """Replace the table in docs/images.md."""
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}{table(ROOT / folder)}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
