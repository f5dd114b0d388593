"""An operator of a later version, for which the status of a candidate that serves users needs format version 2."""

from serin_core.api import packing
from serin_core.api.format_versions import Format
from serin_operator.main import main

packing.FORMAT = Format(
    packing.FORMAT.name, needs=(lambda state: (state.get("candidate") or {}).get("percent", 0) > 0,)
)
main()
