"""Fixtures of several tests of training."""

import csv
import tempfile

import pytest

from serin_training.data.reading import read_transactions
from serin_training.synthetic.generator import SyntheticTransaction, generate

COLUMNS = tuple(SyntheticTransaction.__dataclass_fields__)


def write_csv(path, transactions):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(COLUMNS))
        writer.writeheader()
        writer.writerows({name: getattr(one, name) for name in COLUMNS} for one in transactions)
    return path


@pytest.fixture(scope="session")
def few(tmp_path_factory):
    """Return a CSV of 2,000 generated transactions."""
    return write_csv(tmp_path_factory.mktemp("few") / "few.csv", generate(rows=2000, seed=11))


@pytest.fixture(scope="session")
def few_rows(few):
    return read_transactions(few)


@pytest.fixture(scope="session")
def postgres():
    """Start a Postgres of its own; its socket needs a short path."""
    with tempfile.TemporaryDirectory(prefix="serin-pg-", ignore_cleanup_errors=True) as directory:
        import pgserver  # noqa: PLC0415 - only where a database is wanted

        server = pgserver.get_server(directory, cleanup_mode="stop")
        yield server.get_uri()
        server.cleanup()
