"""Write suggestionmodels.yaml beside this file, from the models in core. `make crds` runs it."""

from pathlib import Path

import yaml

from serin_core.api.crd import definition

HEADER = "# Made from core/serin_core/api/ by `make crds`; do not edit.\n"


def text() -> str:
    """Return the file's contents."""
    return HEADER + yaml.safe_dump(definition(), sort_keys=False, width=110, allow_unicode=True)


if __name__ == "__main__":
    Path(__file__).with_name("suggestionmodels.yaml").write_text(text(), encoding="utf-8")
