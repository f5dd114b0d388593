"""Whether twice as many labels give what the report of a training with few labels expects of them.

    python benchmarks/expectations.py --data FILE [--data FILE] [--rounds 8]

Of the 24,000 rows in the middle, the first 18,000 may be labelled. Each round draws some of them at random, and a
quarter as many of the later rows to evaluate on: that is what is expected. Then as many labels again are drawn, and the
linear model of both is judged on all later rows.
"""

import argparse
import statistics
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

from serin_training.data.reading import read_transactions
from serin_training.training import TrainingConfig, expect

ROWS, POOL = 24_000, 18_000
SIZES = (240, 800, 2400)
"""Labels to learn from, of 300, 1,000 and 3,000 rows."""
CONFIG = TrainingConfig(run_id="run_00000000", now=datetime(2026, 1, 1, tzinfo=UTC))


def round_of(pool, later, size, *, seed):
    """Return what is expected of twice the labels, and the curve that ends with them."""
    random, config = Random(seed), replace(CONFIG, evaluate_from=later[0].at)  # noqa: S311 - which rows to label
    chosen = random.sample(range(len(pool)), 2 * size)
    judged = [later[at] for at in sorted(random.sample(range(len(later)), size // 4))]
    few, many = ([pool[at] for at in sorted(places)] for places in (chosen[:size], chosen))
    return expect([*few, *judged], config), expect([*many, *later], config)


def main():
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", required=True, help="a file of transactions; repeatable")
    parser.add_argument("--rounds", type=int, default=8, help="rounds with other random rows (%(default)s)")
    options = parser.parse_args()
    rows = read_transactions(options.data)
    middle = (len(rows) - ROWS) // 2
    pool, later = rows[middle : middle + POOL], rows[middle + POOL : middle + ROWS]
    print("| labels | accuracy | expected of twice | found | in the interval | classes in theirs |")
    print("|---|---|---|---|---|---|")
    for size in SIZES:
        rounds = [round_of(pool, later, size, seed=seed) for seed in range(options.rounds)]
        now, expected, found = (
            statistics.mean(of(one, other) for one, other in rounds)
            for of in (
                lambda one, _: one.points[-1].accuracy,
                lambda one, _: one.doubled.score,
                lambda _, other: other.points[-1].accuracy,
            )
        )
        inside = [one.doubled.low <= other.points[-1].accuracy <= one.doubled.high for one, other in rounds]
        classes = [
            of.doubled.low <= other.classes[label].f1[-1] <= of.doubled.high
            for one, other in rounds
            for label, of in one.classes.items()
            if of.doubled is not None
        ]
        counts = f"{sum(inside)} of {len(inside)} | {sum(classes)} of {len(classes)}"
        print(f"| {size} | {now:.3f} | {expected:.3f} | {found:.3f} | {counts} |", flush=True)


if __name__ == "__main__":
    main()
