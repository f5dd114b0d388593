"""Preparation of the benchmark: transactions, two runs, rules, requests, vegeta. Kept in .bench/."""

import csv
import gzip
import io
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from load import Loader, Requests, build_vegeta
from pod import RUNS, TOKEN, trained
from rivals import HERE

from serin_core.model.features import Transaction, numbers

BENCH = HERE.parents[1] / ".bench"
FIELDS = ("txn_id", "user_id", "timestamp", "merchant", "description", "channel")
ROWS_TO_LEARN, ROWS_TO_SEND = 20_000, 20_000
BATCH = 64
PYTHON = sys.executable
JSON_HEADER = ("Content-Type", "application/json")
OWN = (JSON_HEADER, ("Authorization", f"Bearer {TOKEN}"))


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that the benchmark needs."""

    loader: Loader
    registry: Path
    runs: Sequence[str]
    rules: Path
    learned: Path
    sent: Sequence[dict[str, str]]

    def single(self) -> Requests:
        """Return requests of one transaction each."""
        return Requests("/agent/suggestions", [_body([row]) for row in self.sent], OWN)

    def batches(self) -> Requests:
        """Return requests of 64 transactions each."""
        starts = range(0, len(self.sent) - BATCH + 1, BATCH)
        return Requests("/agent/suggestions", [_body(self.sent[at : at + BATCH]) for at in starts], OWN)

    def of_kserve(self) -> Requests:
        """Return the same transactions as features of the booster."""
        channels = json.loads((self.registry / RUNS / self.runs[0] / "encoder.json").read_text())["channels"]
        rows = [numbers(_transaction(row), tuple(channels)) for row in self.sent]
        bodies = [json.dumps({"instances": [row]}).encode() for row in rows]
        return Requests("/v1/models/categories:predict", bodies, (JSON_HEADER,))


def _body(rows: Sequence[dict[str, str]]) -> bytes:
    sent = [{**{name: row[name] for name in FIELDS}, "amount": float(row["amount"])} for row in rows]
    return json.dumps({"transactions": sent}).encode()


def _transaction(row: dict[str, str]) -> Transaction:
    at = datetime.fromisoformat(row["timestamp"])
    text = (row["txn_id"], row["merchant"], row["description"])
    return Transaction(*text, float(row["amount"]), row["channel"], row["user_id"], at)


def prepare(data: Path | None, scratch: Path) -> Prepared:
    """Create data, runs, rules and the tool, or use those of an earlier run."""
    key = "generated" if data is None else f"{data.name}-{data.stat().st_size}"
    folder = BENCH / "serving" / key
    folder.mkdir(parents=True, exist_ok=True)
    serin = str(Path(PYTHON).parent / "serin")
    if data is None:
        data = folder / "transactions.csv"
        if not data.exists():
            rows = str(ROWS_TO_LEARN + ROWS_TO_SEND)
            subprocess.run([serin, "generate", "--rows", rows, "--out", str(data)], check=True)
    content = gzip.decompress(data.read_bytes()) if data.suffix == ".gz" else data.read_bytes()
    reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig")))
    rows = sorted(reader, key=lambda row: row["timestamp"])[-ROWS_TO_LEARN - ROWS_TO_SEND :]
    learned, rules = folder / "learned.csv", folder / "rules.yaml"
    with learned.open("w", newline="") as out:
        writer = csv.DictWriter(out, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows[:-ROWS_TO_SEND])
    if not rules.exists():
        subprocess.run([serin, "rules", "suggest", "--data", str(learned), "--out", str(rules)], check=True)
    registry, runs = trained(folder, learned)
    loader = Loader(build_vegeta(BENCH), scratch)
    return Prepared(loader, registry, runs, rules, learned, rows[-ROWS_TO_SEND:])
