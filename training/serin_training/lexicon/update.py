"""Makes brands.json.gz from the file nsi.json of the npm package name-suggestion-index, version 8.

    npm pack name-suggestion-index && tar xzf name-suggestion-index-*.tgz
    python -m serin_training.lexicon.update package/dist/json/nsi.json

What is not a shop that takes cards (cash machines, totems, lockers, chargers) is left out.
"""

import argparse
import gzip
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from serin_core.model.features import normalise
from serin_training.lexicon.brands import EVERYWHERE, FILE, LICENCE

_LEFT_OUT: Final = re.compile(
    r"advertising/|man_made/|amenity/(atm|charging_station|parcel_locker|post_box|post_depot|vending_machine|"
    r"recycling|compressed_air|social_centre|payment_terminal)|.*/vacant"
)
_COUNTRY: Final = re.compile(r"([a-z]{2})(?:[-.].*)?")
_NAMES: Final = ("name", "brand", "short_name", "alt_name")


def brands(index: Mapping[str, Any]) -> dict[str, dict[str, list[str]]]:
    """Return by kind and normalised name where the brand is: countries, EVERYWHERE, and `-` before one it is not in."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for path, category in index["nsi"].items():
        tree, _, kind = path.partition("/")
        if tree != "brands" or _LEFT_OUT.match(kind):
            continue
        for item in category["items"]:
            places = set(_places(item["locationSet"]))
            for name in _names(item) if places else ():
                found[kind][name] |= places
    return {
        kind: {name: sorted(places) for name, places in sorted(names.items())} for kind, names in sorted(found.items())
    }


def _names(item: Mapping[str, Any]) -> set[str]:
    tags = item["tags"]
    given = [item["displayName"], *item.get("matchNames", ()), *(tags.get(tag, "") for tag in _NAMES)]
    return {normalise(name) for name in given} - {""}


def _places(location: Mapping[str, Any]) -> Iterator[str]:
    for place in location.get("include", ()):
        if place == EVERYWHERE:
            yield EVERYWHERE
            yield from (f"-{other}" for other in location.get("exclude", ()) if _COUNTRY.fullmatch(str(other)))
        elif (country := _COUNTRY.fullmatch(str(place))) is not None:
            yield country[1]


def main() -> None:
    """Write the file and the licence beside it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", type=Path, help="nsi.json")
    file = parser.parse_args().index
    index = json.loads(file.read_text(encoding="utf-8"))
    content = {"version": index["_meta"]["version"], "brands": brands(index)}
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    Path(str(FILE)).write_bytes(gzip.compress(text, 9, mtime=0))
    licence = file.parents[2] / "LICENSE.md"
    Path(str(LICENCE)).write_text(licence.read_text(encoding="utf-8"), encoding="utf-8")


if __name__ == "__main__":
    main()
