"""How often `serin drift` is right on real months: unchanged, and with changes made to them.

    python benchmarks/drift.py --data FILE.csv.gz [--months 12]

A run is trained on all but the last months; each of these is compared with the run's evaluation rows: unchanged, with
one category in ten rows replaced by another, with amounts times three, and with a third of the merchants renamed.
"""

import argparse
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from serin_training.data.reading import read_transactions
from serin_training.data_drift import compare
from serin_training.data_profile import profile
from serin_training.evaluation import predict
from serin_training.training import TrainingConfig, train


def main():
    """Measure and print one line per month."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a CSV file of several years")
    parser.add_argument("--months", type=int, default=12, help="how many of the newest months are compared")
    given = parser.parse_args()
    rows = read_transactions(given.data)
    months = sorted({f"{row.at:%Y-%m}" for row in rows})[-given.months :]
    run = train(
        [row for row in rows if f"{row.at:%Y-%m}" < months[0]],
        TrainingConfig(run_id="run_00000000", now=datetime.now(UTC)),
    )
    before = run.report.profile
    print(f"{run.report.data_from[:10]} to {run.report.data_to[:10]}: macro F1 {run.report.val_f1_macro:.3f}")
    counted = Counter()
    for month in months:
        of_month = [row for row in rows if f"{row.at:%Y-%m}" == month]
        line = []
        for name, change in CHANGES.items():
            changed = change(of_month)
            answered = predict(run.pipeline, changed)
            now = profile(run.pipeline.encoder, answered, edges=before.edges)
            found = compare(run.report, before, now, answered)
            moved = ", ".join(check.name for check in found.checks if check.has_drifted)
            counted[name, found.verdict.value] += 1
            line.append(f"{name}: {found.verdict.value}{f' ({moved})' if moved else ''}")
        print(f"{month}, {len(of_month)} rows: {'; '.join(line)}", flush=True)
    for (name, verdict), many in sorted(counted.items()):
        print(f"{name}: {verdict} in {many} of {len(months)} months")


def relabelled(rows):
    """Give every tenth row the category of another row."""
    chance = np.random.default_rng(0)
    others = chance.integers(len(rows), size=len(rows)).tolist()
    return [replace(row, category=rows[others[at]].category) if at % 10 == 0 else row for at, row in enumerate(rows)]


def dearer(rows):
    """Multiply amounts by three."""
    return [replace(row, transaction=replace(row.transaction, amount=row.transaction.amount * 3)) for row in rows]


def renamed(rows):
    """Reverse the names of a third of the merchants."""
    return [
        replace(row, transaction=replace(row.transaction, merchant=row.transaction.merchant[::-1]))
        if at % 3 == 0
        else row
        for at, row in enumerate(rows)
    ]


CHANGES = {"unchanged": lambda rows: rows, "relabelled": relabelled, "dearer": dearer, "renamed": renamed}


if __name__ == "__main__":
    main()
