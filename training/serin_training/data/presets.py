"""Maps that come with Serin, for the exports of banks and budgeting tools: the files of the folder maps."""

from importlib.resources import files
from typing import Any, Final

import yaml

from serin_training.errors import DataError

UNDECIDED: Final = "undecided"
"""Value of a key of a map that a user must decide."""
_FOLDER: Final = files("serin_training.data") / "maps"


def presets() -> list[str]:
    """Return the names of the maps that come with Serin."""
    return sorted(file.name.removesuffix(".yaml") for file in _FOLDER.iterdir() if file.name.endswith(".yaml"))


def read_preset(name: str) -> dict[str, Any]:
    """Return the values of a map that comes with Serin."""
    values: dict[str, Any] = yaml.safe_load((_FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return values


def with_preset(found: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the values of a preset, replaced by those beside it. Raises DataError."""
    own = dict(found)
    preset = own.pop("preset")
    if preset not in presets():
        raise DataError(f"{name}: preset: there is none named {preset!r}; write one of {', '.join(presets())}")
    base = read_preset(preset)
    columns = own.get("columns") or {}
    merged = base | own | {"columns": base["columns"] | columns if isinstance(columns, dict) else columns}
    open_keys = [key for key, value in merged.items() if value == UNDECIDED]
    if open_keys:
        raise DataError(
            f"{name}: {', '.join(open_keys)} differs between exports of {preset}; write a map with `preset: {preset}` "
            f"and `{open_keys[0]}:`, which `serin data inspect` finds"
        )
    return merged
