"""Whether the category that a user last gave a merchant is a better prediction than the run's.

    python benchmarks/habits.py --data FOLDER

A run is trained on the first four fifths of the days. On the other rows whose user has labelled the same merchant
before, this prints how often the user's last category is right, how often the run is, and which is right where they
differ.
"""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from serin_core.model.features import merchant_key
from serin_training.data.reading import read_transactions
from serin_training.metrics import macro_f1
from serin_training.training import TrainingConfig, train


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder of CSV files")
    names = sorted(str(path) for path in parser.parse_args().data.glob("*.csv*") if "sample" not in path.name)
    rows = read_transactions(names)
    days = sorted({row.at for row in rows})
    evaluate_from = days[round(len(days) * 0.8)]
    run = train(rows, TrainingConfig(run_id="run_00000000", now=datetime.now(UTC), evaluate_from=evaluate_from))
    last = {}
    for row in rows:
        if row.at < evaluate_from:
            last[row.transaction.user_id, merchant_key(row.transaction.merchant)] = row.category
    found = []
    for row, answered in zip(run.evaluated.rows, run.evaluated.labels, strict=True):
        place = row.transaction.user_id, merchant_key(row.transaction.merchant)
        if place in last:
            found.append((last[place], answered, row.category))
        last[place] = row.category
    habit, model, truth = zip(*found, strict=True)
    differ = [(one, other, right) for one, other, right in found if one != other]
    print(f"rows evaluated {len(run.evaluated.rows)}, with a habit {len(found)}")
    for name, answers in (("habit", habit), ("run", model)):
        right = sum(map(str.__eq__, answers, truth))
        print(f"{name}: right {right / len(found):.4f}, macro F1 {macro_f1(answers, truth):.4f}")
    by_habit, by_run = (sum(one[side] == one[2] for one in differ) for side in (0, 1))
    print(f"they differ on {len(differ)}: the habit is right on {by_habit}, the run on {by_run}")
    # With the habit instead of the prediction wherever there is one.
    everywhere = iter(found)
    with_habits = [
        next(everywhere)[0] if seen else answered
        for seen, answered in zip(_has_habit(rows, evaluate_from, run), run.evaluated.labels, strict=True)
    ]
    print(
        f"all rows: macro F1 {macro_f1(run.evaluated.labels, run.evaluated.categories):.4f} by the run, "
        f"{macro_f1(with_habits, run.evaluated.categories):.4f} with habits first"
    )


def _has_habit(rows, evaluate_from, run):
    known = {
        (row.transaction.user_id, merchant_key(row.transaction.merchant)) for row in rows if row.at < evaluate_from
    }
    for row in run.evaluated.rows:
        place = row.transaction.user_id, merchant_key(row.transaction.merchant)
        yield place in known
        known.add(place)


if __name__ == "__main__":
    main()
