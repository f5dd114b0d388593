"""From `--data` to rows: files, databases, or a folder of features."""

from collections.abc import Sequence
from pathlib import Path

from serin_core.contract.addresses import display_address
from serin_training.commands.options import say
from serin_training.data.reading import read_transactions
from serin_training.data.rows import EVERYTHING, LabelledTransaction, Window
from serin_training.errors import DataError
from serin_training.features.store import FeatureStore, is_store
from serin_training.features.words import Corpus


def read_material(data: Sequence[str], window: Window = EVERYTHING) -> tuple[list[LabelledTransaction], Corpus | None]:
    """Answer the rows that `--data` names, oldest first, and their words where these are kept. Raises DataError."""
    stores = [one for one in data if is_store(Path(one))]
    if stores and len(data) > 1:
        raise DataError(f"{stores[0]}: a folder of features stands alone; build it from all sources instead")
    corpus: Corpus | None = None
    if stores:
        rows, corpus = FeatureStore(Path(stores[0])).load(window)
    elif Path(data[0]).is_dir():
        raise DataError(f"{data[0]}: it is a folder without features; `serin features` makes one")
    else:
        rows = read_transactions(data, window)
    sources = ", ".join(map(display_address, data))
    say(f"{sources}: {len(rows)} labelled transactions, {rows[0].at:%Y-%m-%d} to {rows[-1].at:%Y-%m-%d}")
    return rows, corpus


def read_rows(data: Sequence[str], window: Window = EVERYTHING) -> list[LabelledTransaction]:
    """Answer the rows alone. Raises DataError."""
    return read_material(data, window)[0]
