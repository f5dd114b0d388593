"""What accepted suggestions are worth as labels, if some users accept without looking.

    python benchmarks/echo.py --data FILE [--data FILE]

Of the 12,000 rows in the middle, a linear model learns the first 3,000, and suggests a category for each of the next
6,000 where it is at least 0.7 sure. Users accept what is right, and some also what is wrong; otherwise they write the
right category. A second model learns all 9,000 rows with these labels, with several weights of accepted ones, and is
judged on the last 3,000.
"""

import argparse
from dataclasses import replace
from random import Random

import numpy as np

from serin_core.model.encoder import probabilities
from serin_training import linear
from serin_training.data.reading import read_transactions
from serin_training.features.words import Words, merge
from serin_training.metrics import macro_f1

ROWS, FIRST, LAST = 12_000, 3_000, 9_000
SURE = 0.7
CARELESS = (0.0, 0.3, 0.6, 0.9)
"""Shares of wrong suggestions that are accepted."""
WEIGHTS = (1.0, 0.5, 0.25, 0.1)


def fit(corpus, learned, weight):
    """Return a function that predicts rows by their places, after learning the first rows."""
    linear.ACCEPTED = weight
    classes = sorted({row.category for row in learned})
    places = np.arange(len(learned))
    known = corpus.known(places)
    labels = np.array([classes.index(row.category) for row in learned])
    training_set = linear.training_set_of(learned, corpus.matrix[places][:, known], labels, classes=len(classes))
    model = linear.fit_linear(training_set, seed=0)

    def predict(first, end):
        scores = model.scores(corpus.matrix[first:end][:, known])
        found = probabilities(scores, np.zeros_like(scores))
        return [classes[at] for at in found.argmax(axis=1)], found.max(axis=1)

    return predict


def served(rows, suggested, confidence, careless):
    """Return the rows with the labels that users leave, and what became of the suggestions."""
    random, found, counts = Random(1), [], {"accepted": 0, "wrong": 0}  # noqa: S311 - who is careless
    for row, label, sure in zip(rows, suggested, confidence, strict=True):
        is_right = label == row.category
        is_accepted = sure >= SURE and (is_right or random.random() < careless)
        counts["accepted"] += is_accepted
        counts["wrong"] += is_accepted and not is_right
        found.append(replace(row, category=label, is_accepted=True) if is_accepted else row)
    return found, counts


def main():
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", required=True, help="a file of transactions; repeatable")
    rows = read_transactions(parser.parse_args().data)
    middle = (len(rows) - ROWS) // 2
    rows = rows[middle : middle + ROWS]
    transactions = [row.transaction for row in rows]
    corpus = merge([Words.of(transactions)], [one.user_id for one in transactions])
    suggested, confidence = fit(corpus, rows[:FIRST], 1.0)(FIRST, LAST)
    truth = [row.category for row in rows[LAST:]]
    print(f"| wrong ones that are accepted | accepted | of these wrong | {' | '.join(f'{one:g}' for one in WEIGHTS)} |")
    print("|---|---|---|" + "---|" * len(WEIGHTS))
    for careless in CARELESS:
        labels, counts = served(rows[FIRST:LAST], suggested, confidence, careless)
        scores = [macro_f1(fit(corpus, [*rows[:FIRST], *labels], weight)(LAST, ROWS)[0], truth) for weight in WEIGHTS]
        wrong = counts["wrong"] / counts["accepted"]
        shown = " | ".join(f"{one:.3f}" for one in scores)
        print(f"| {careless:.0%} | {counts['accepted']} | {wrong:.1%} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
