"""How often the condition Drifted would be True on real weeks: unchanged, and with changes made to them.

    python benchmarks/input_drift.py --data EARLIER.csv.gz --traffic LATER.csv.gz [--rows 40000]

A run is trained on the newest rows of the earlier file. Each week of the later one is what it is asked: every week
unchanged, and each tenth week with each change. Weeks of fewer than MIN_COUNTED rows are left out, as by the operator.
"""

import argparse
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from serin_core.counting.inputs import InputsSeen
from serin_core.model.inputs import FEATURES, InputBins, InputCounts, Inputs
from serin_core.rollout.drift import MIN_COUNTED, differences, has_drifted
from serin_training.data.reading import read_transactions
from serin_training.evaluation import predict
from serin_training.training import TrainingConfig, train

_TENTH = 10
_OTHER_LETTERS = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "NOPQRSTUVWXYZABCDEFGHIJKLM")


def main():
    """Measure and print one line for each change."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="what the run is trained on")
    parser.add_argument("--traffic", type=Path, required=True, help="what it is asked")
    parser.add_argument("--rows", type=int, default=40_000, help="how many of the newest rows are trained on")
    given = parser.parse_args()
    rows = sorted(read_transactions(given.data), key=lambda row: row.at)[-given.rows :]
    run = train(rows, TrainingConfig(run_id="run_00000000", now=datetime.now(UTC)))
    print(f"{run.report.data_from[:10]} to {run.report.data_to[:10]}: macro F1 {run.report.val_f1_macro:.3f}")
    bins = InputBins.of(run.report.profile)
    series = sum(len(one) for one in bins.reference.values())
    print(f"{series} bins: {', '.join(f'{feature} {len(one)}' for feature, one in bins.reference.items())}")
    traffic = sorted(read_transactions(given.traffic), key=lambda row: row.at)
    weeks = defaultdict(list)
    for row in traffic:
        weeks[(row.at - traffic[0].at).days // 7].append(row)
    judged = [week for week in weeks.values() if len(week) >= MIN_COUNTED]
    for name, change in CHANGES.items():
        chosen = judged if name == "unchanged" else judged[::_TENTH]
        found, drifted = defaultdict(list), Counter()
        for week in chosen:
            compared = differences(asked(run.pipeline, bins, change(week)))
            drifted["any"] += any(has_drifted(one) for one in compared.values())
            for feature, one in compared.items():
                drifted[feature] += has_drifted(one)
                found[feature].append(one.statistic)
        highest = ", ".join(f"{feature} {min(found[feature]):.2f} to {max(found[feature]):.2f}" for feature in found)
        named = ", ".join(feature for feature in FEATURES if drifted[feature]) or "none"
        print(f"{name}: drifted in {drifted['any']} of {len(chosen)} weeks ({named}); {highest}", flush=True)


def asked(pipeline, bins, rows):
    """Return what servers would count, if they counted every transaction."""
    counts, predictions = InputCounts(bins), predict(pipeline, rows)
    for row, label in zip(predictions.rows, predictions.labels, strict=True):
        is_known = pipeline.encoder.knows_merchant(row.transaction.merchant)
        counts.add(Inputs(pipeline.encoder.numbers(row.transaction), is_new_merchant=not is_known), label=label)
    return InputsSeen("run_00000000", counts.counted(), bins.reference, is_settled=True)


def changed(change):
    """Return a change of rows, from a function that returns the changed fields of a transaction."""
    return lambda rows: [replace(row, transaction=replace(row.transaction, **change(row.transaction))) for row in rows]


def on_half(change):
    """Return a change of every other row."""
    return lambda rows: [row if at % 2 else change([row])[0] for at, row in enumerate(rows)]


_DEARER = changed(lambda one: {"amount": one.amount * 10})
CHANGES = {
    "unchanged": lambda rows: rows,
    "amounts times 10": _DEARER,
    "amounts times 10, half of the rows": on_half(_DEARER),
    "amounts times 3": changed(lambda one: {"amount": one.amount * 3}),
    "amounts times 0.65": changed(lambda one: {"amount": one.amount * 0.65}),
    "the other sign": changed(lambda one: {"amount": -one.amount}),
    "texts of another city": changed(
        lambda one: {"merchant": one.merchant.upper().translate(_OTHER_LETTERS), "description": ""}
    ),
    "merchant and description exchanged": changed(
        lambda one: {"merchant": one.description, "description": one.merchant}
    ),
    "no merchant": changed(lambda _one: {"merchant": ""}),
    "another channel": changed(lambda _one: {"channel": "mobile"}),
}


if __name__ == "__main__":
    main()
