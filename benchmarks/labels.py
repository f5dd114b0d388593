"""What labels are worth that `serin data suggest-labels` names, beside the same number of random ones.

    python benchmarks/labels.py --data FOLDER [--rounds 5]

FOLDER holds card payments as CSV files with the columns of docs/training.md. Of the 40,000 rows in the middle, 30,000
may be labelled and the next 10,000 judge. Each round starts from other random labels. The model is the baseline of
learning.py. The last column chooses merchants by the doubt that the model of the first labels has about all their rows.
"""

import argparse
import statistics
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from random import Random

from learning import baseline

from serin_core.model.features import merchant_key
from serin_training.data.reading import read_transactions
from serin_training.data.rows import Label, Row
from serin_training.label_suggestions import suggest_labels
from serin_training.metrics import macro_f1

POOL, JUDGED = 30_000, 10_000
SIZES = [(0, 100), (0, 300), (300, 100), (300, 300), (1000, 300)]
"""Random labels to begin with, and further ones."""


def score(labelled, judged):
    """Return the macro F1 of a model that was fitted on these rows."""
    model = baseline().fit(labelled, [row.category for row in labelled])
    return macro_f1(model.predict(judged).tolist(), [row.category for row in judged])


def suggested(pool, first, many):
    """Return the rows to begin with, and those that are suggested then."""
    by_id = {row.transaction.txn_id: row for row in pool}
    known = {row.transaction.txn_id for row in first}
    rows = (Row(row.transaction, row.at, Label("x", row.at) if id_ in known else None) for id_, row in by_id.items())
    chosen = suggest_labels(rows, count=many).merchants
    return [*first, *(by_id[one.newest.transaction.txn_id] for one in chosen)]


def in_doubt(pool, first, many):
    """Return the rows to begin with, and one of each merchant whose rows the model of them doubts most."""
    model = baseline().fit(first, [row.category for row in first])
    doubt, newest = defaultdict(float), {}
    for row, chances in zip(pool, model.predict_proba(pool), strict=True):
        key = merchant_key(row.transaction.merchant)
        doubt[key] += 1 - chances.max()
        newest[key] = row
    return [*first, *(newest[key] for key in sorted(doubt, key=lambda one: -doubt[one])[:many])]


def main():
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder of CSV files")
    parser.add_argument("--rounds", type=int, default=5, help="rounds with other random labels (%(default)s)")
    options = parser.parse_args()
    rows = read_transactions(sorted(str(path) for path in options.data.glob("*.csv*") if "sample" not in path.name))
    middle = (len(rows) - POOL - JUDGED) // 2
    rows = [
        replace(row, transaction=replace(row.transaction, txn_id=str(number)))
        for number, row in enumerate(rows[middle : middle + POOL + JUDGED])
    ]
    pool, judged = rows[:POOL], rows[POOL:]
    print("| random labels | further ones | random | suggested | by confidence |\n|---|---|---|---|---|")
    for begin, many in SIZES:
        found = defaultdict(list)
        for seed in range(options.rounds):
            order = pool[:]
            Random(seed).shuffle(order)  # noqa: S311 - which rows to label
            first = order[:begin]
            found["random"].append(score(order[: begin + many], judged))
            found["suggested"].append(score(suggested(pool, first, many), judged))
            found["by confidence"] += [score(in_doubt(pool, first, many), judged)] if begin else []
        means = " | ".join(f"{statistics.mean(one):.3f}" if one else "-" for one in found.values())
        print(f"| {begin} | {many} | {means} |", flush=True)


if __name__ == "__main__":
    main()
