"""`make bench-learning DATA=FOLDER`: quality, calibration and cost of a run, each beside a baseline.

FOLDER holds card payments as CSV files (plain or gzip) with the columns of docs/training.md, read as one history. The
baseline is a linear model (scikit-learn's SGD, log loss) on TF-IDF of character n-grams (2 to 5) and words of the
merchant, and words of the description: a strong one for such data. No evaluation row is used to choose anything.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import ablation
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import FeatureUnion, Pipeline

from serin_core.contract.documents import LoadedRun
from serin_server.runs.loader import RegistryReader
from serin_training.data.reading import read_transactions
from serin_training.data.rows import Window
from serin_training.evaluation import Predictions
from serin_training.metrics import expected_calibration_error, macro_f1, reliability
from serin_training.progress import Finished
from serin_training.recalibration import MIN_LABELS, fit_correction
from serin_training.registry.directory import DirectoryRegistry
from serin_training.registry.publish import publish
from serin_training.training import TrainingConfig, train

TRAIN_SHARE = 0.8
QUARTERS_FROM = datetime(2015, 1, 1, tzinfo=UTC)
AGING_FROM = datetime(2014, 1, 1, tzinfo=UTC)
SERVICE_FROM = (2012, 2013, 2014)
LABELLED = 0.02
SELECTIONS = 3


def baseline():
    """Return the linear model, not fitted."""
    features = FeatureUnion(
        [
            (
                "pieces",
                TfidfVectorizer(preprocessor=_merchant, analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
            ),
            ("words", TfidfVectorizer(preprocessor=_merchant, sublinear_tf=True)),
            ("notes", TfidfVectorizer(preprocessor=_description, sublinear_tf=True)),
        ],
        transformer_weights={"notes": 0.5},
    )
    return Pipeline(
        [("features", features), ("linear", SGDClassifier(loss="log_loss", alpha=1e-6, n_jobs=2, random_state=0))]
    )


def _merchant(row):
    return row.transaction.merchant.lower()


def _description(row):
    return row.transaction.description.lower()


def say(text):
    """Print progress on stderr."""
    print(text, file=sys.stderr, flush=True)


def fit_run(rows, evaluate_from):
    """Train a run that is evaluated on the rows from a time on."""
    config = TrainingConfig(
        run_id="run_00000000", now=datetime.now(UTC), evaluate_from=evaluate_from, learning_curve=False
    )
    return train(rows, config, _show)


def _show(event):
    if isinstance(event, Finished):
        say(f"    {event.phase}: {event.text}")


def compare(name, rows, evaluate_from):
    """Fit run and baseline on the rows before a time, evaluate both on the rest."""
    before = [row for row in rows if row.at < evaluate_from]
    after = [row for row in rows if row.at >= evaluate_from]
    say(f"{name}: {len(before)} training rows, {len(after)} evaluation rows")
    began = time.perf_counter()
    linear = baseline().fit(before, [row.category for row in before])
    linear_seconds = time.perf_counter() - began
    theirs = linear.predict(after).tolist()
    began = time.perf_counter()
    run = fit_run(rows, evaluate_from)
    seconds = time.perf_counter() - began
    ours = run.evaluated.labels
    known = {row.transaction.merchant for row in before}
    unseen = [at for at, row in enumerate(after) if row.transaction.merchant not in known]
    truth = [row.category for row in after]

    def of(answers, places):
        return macro_f1([answers[at] for at in places], [truth[at] for at in places])

    everything = range(len(after))
    right = [sum(map(str.__eq__, answers, truth)) / len(truth) for answers in (theirs, ours)]
    rows_of = [
        (f"{name}: macro F1", of(theirs, everything), of(ours, everything)),
        (f"{name}: macro F1, unseen merchants ({len(unseen)} rows)", of(theirs, unseen), of(ours, unseen)),
        (f"{name}: accuracy", *right),
        (
            f"{name}: expected calibration error (baseline: not calibrated)",
            run.evaluated.calibration_error(calibrated=False),
            run.evaluated.calibration_error(calibrated=True),
        ),
        (f"{name}: seconds to train", linear_seconds, seconds),
    ]
    for figure, before_it, found in rows_of:
        say(f"    {figure}: {before_it:.4f}, {found:.4f}")
    return run, linear, after, (theirs, ours, truth), rows_of


def later(rows):
    """Compare on the last fifth of the days."""
    days = sorted({row.at for row in rows})
    return compare("last 20 % of days", rows, days[round(len(days) * TRAIN_SHARE)])


def quarters(rows):
    """Compare on each quarter after 2014, fitted once on the rows before."""
    _, _, after, (theirs, ours, truth), found = compare("2015 to 2017", rows, QUARTERS_FROM)
    starts = sorted({(row.at.year, (row.at.month - 1) // 3) for row in after})
    for year, quarter in starts:
        places = [at for at, row in enumerate(after) if (row.at.year, (row.at.month - 1) // 3) == (year, quarter)]
        scores = [macro_f1([side[at] for at in places], [truth[at] for at in places]) for side in (theirs, ours)]
        found.append((f"2015 to 2017: macro F1, {year} quarter {quarter + 1}", *scores))
    return found


def aging(rows):
    """Return the calibration error by year of a run from rows before 2014, without the discount by age and with it."""
    run = fit_run(rows, AGING_FROM)
    after = run.evaluated.rows
    raw = run.pipeline.predict_proba([row.transaction for row in after])
    fresh = replace(run.evaluated, calibrated=run.pipeline.predictions(raw, [None] * len(after)))
    found = [("aging: rate", float("nan"), run.report.aging_rate)]
    for year in sorted({row.at.year for row in after}):
        places = [at for at, row in enumerate(after) if row.at.year == year]
        without, discounted = (
            Predictions(*([side[at] for at in places] for side in (one.rows, one.raw, one.calibrated)))
            for one in (fresh, run.evaluated)
        )
        errors = without.calibration_error(calibrated=True), discounted.calibration_error(calibrated=True)
        found.append(
            (
                f"aging: calibration error in {year}, not calibrated",
                float("nan"),
                without.calibration_error(calibrated=False),
            )
        )
        found.append((f"aging: calibration error in {year} (baseline: no discount by age)", *errors))
    return found


def service(rows):
    """Return the calibration error by year of runs from rows before a year, corrected each month by earlier labels.

    LABELLED of the answers of every month have a label, in SELECTIONS selections: answers at random, or all answers of
    users at random. In a month, the correction from all labels of earlier months is applied. Baseline: no correction.
    """
    found = []
    for start in SERVICE_FROM:
        evaluated = fit_run(rows, datetime(start, 1, 1, tzinfo=UTC)).evaluated
        right = np.array(evaluated.right)
        months = np.array([row.at.year * 12 + row.at.month - 1 for row in evaluated.rows])
        given = np.array([confidence for _, confidence in evaluated.calibrated])
        for unit in ("answers", "users"):
            corrected = [_corrected(evaluated, months, _selected(evaluated, unit, seed)) for seed in range(SELECTIONS)]
            for year in np.unique(months // 12).tolist():
                places = months // 12 == year
                before, *errors = (
                    expected_calibration_error(reliability(one[places], right[places])) for one in (given, *corrected)
                )
                name = f"service: trained before {start}: calibration error in {year}, labels of {unit}"
                found.append((f"{name}, mean", before, sum(errors) / SELECTIONS))
                found.append((f"{name}, worst selection", before, max(errors)))
                say("    {}: {:.4f}, {:.4f}".format(*found[-1]))
    return found


def _selected(evaluated, unit, seed):
    """Return which rows have a label."""
    chance = np.random.default_rng(seed)
    if unit == "answers":
        return chance.random(len(evaluated.rows)) < LABELLED
    users = [row.transaction.user_id for row in evaluated.rows]
    chosen = {user for user in sorted(set(users)) if chance.random() < LABELLED}
    return np.array([user in chosen for user in users])


def _corrected(evaluated, months, has_label):
    """Return the confidence by row, corrected by the labels of earlier months."""
    given, raw = (np.array([one for _, one in side]) for side in (evaluated.calibrated, evaluated.raw))
    right = np.array(evaluated.right)
    days = np.array([row.at.timestamp() / 86_400 for row in evaluated.rows])
    found = given.copy()
    for month in np.unique(months):
        labelled = np.flatnonzero(has_label & (months < month))
        if len(labelled) < MIN_LABELS:
            continue
        age = days[labelled].max() - days[labelled]
        correction = fit_correction(given[labelled], raw[labelled], right[labelled], age)
        for at in np.flatnonzero(months == month).tolist():
            found[at] = correction.corrected(given[at], raw[at])
    return found


def small(rows):
    """Compare on 30,000 and on 3,000 rows of the newest years."""
    newest = [row for row in rows if row.at >= QUARTERS_FROM]
    chance = np.random.default_rng(0)
    found = []
    for many in (30_000, 3_000):
        chosen = np.sort(chance.choice(len(newest), size=min(many, len(newest)), replace=False)).tolist()
        some = [newest[at] for at in chosen]
        found += compare(f"{many} rows", some, some[round(len(some) * TRAIN_SHARE)].at)[-1][:4]
    return found


def single(run, linear, after):
    """Time one prediction in Python: scikit-learn's pipeline and isotonic regression against the server's code."""
    with tempfile.TemporaryDirectory() as folder:
        publish(run, DirectoryRegistry(Path(folder), uri=folder))
        served = RegistryReader(folder)(LoadedRun(run=run.name))
        isotonic = {
            label: IsotonicRegression(out_of_bounds="clip").fit([0.0, 1.0], [0.0, 1.0]) for label in served.classes
        }
        some = after[: min(len(after), 3000)]
        theirs, ours = [], []
        for row in some[:300]:
            began = time.perf_counter_ns()
            chances = linear.predict_proba([row])[0]
            [float(isotonic[label].predict([one])[0]) for label, one in zip(linear.classes_, chances, strict=True)]
            theirs.append((time.perf_counter_ns() - began) / 1000)
        for row in some:
            began = time.perf_counter_ns()
            served.predict(row.transaction, calibrated=True)
            ours.append((time.perf_counter_ns() - began) / 1000)
    medians = statistics.median(theirs), statistics.median(ours)
    return [
        ("one prediction in Python: p50 in microseconds", *medians),
        ("one prediction in Python: times faster", 1.0, medians[0] / medians[1]),
    ]


SERIN = str(Path(sys.executable).with_name("serin"))


def large(rows):
    """Time trainings on generated rows, each in its own process: a tenth of the rows, and all."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for many in (rows // 10, rows):
            source = Path(folder) / f"{many}.csv"
            subprocess.run([SERIN, "generate", "--rows", str(many), "--out", str(source)], check=True)
            features = Path(folder) / f"features-{many}"
            passed = _timed([SERIN, "features", "--data", str(source), "--out", str(features)])
            trained = _timed([SERIN, "train", "--data", str(features)])
            found.append((many, *passed, *trained))
    (few, *one), (many, *other) = found
    names = [
        f"{phase}, {figure}"
        for phase in ("feature pass", "training")
        for figure in ("seconds", "CPU seconds", "memory in MB")
    ]
    return [
        (f"generated rows, {few} and {many}: {name}", before, after)
        for name, before, after in zip(names, one, other, strict=True)
    ]


def _timed(command):
    """Return elapsed seconds, CPU seconds (nearly independent of other load), and MB."""
    say(f"  {' '.join(command[:2])} ...")
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
        "used = resource.getrusage(resource.RUSAGE_CHILDREN); "
        "print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)"
    )
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code, *command], check=True, capture_output=True, text=True)
    found = (time.perf_counter() - began, *map(float, done.stdout.split()))
    say("    {:.0f} s, {:.0f} s of CPU, {:.0f} MB".format(*found))
    return found


def main():
    """Run the selected parts and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder of CSV files")
    parser.add_argument(
        "--parts",
        default="later,quarters,aging,service,small,ablation",
        help="any of later, quarters, aging, service, small, ablation, large",
    )
    parser.add_argument("--rows", type=int, default=2_500_000, help="generated rows of the part large")
    parser.add_argument("--json", type=Path, help="also write the table as JSON to this file")
    given = parser.parse_args()
    parts = given.parts.split(",")
    found = []
    rows = []
    if set(parts) - {"large"}:
        names = sorted(str(path) for path in given.data.glob("*.csv*") if "sample" not in path.name)
        rows = read_transactions(names, Window())
        say(f"{len(rows)} rows from {len(names)} files")
    if "later" in parts:
        run, linear, after, _, table = later(rows)
        found += table + single(run, linear, after)
        found.append(
            (
                "memory of this process so far, in MB",
                float("nan"),
                resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            )
        )
    for name, measure in (("quarters", quarters), ("aging", aging), ("service", service), ("small", small)):
        if name in parts:
            found += measure(rows)
    if "large" in parts:
        found += large(given.rows)
    if "ablation" in parts:
        print("\n".join(ablation.table(ablation.ablation(rows, TRAIN_SHARE, _show))), flush=True)
    if not found:
        return
    width = max(len(name) for name, _, _ in found)
    print(f"{'':<{width}}  {'baseline':>10}  {'serin':>10}")
    for name, theirs, ours in found:
        print(f"{name:<{width}}  {theirs:>10.4g}  {ours:>10.4g}")
    if given.json is not None:
        given.json.write_text(
            json.dumps([dict(zip(("figure", "baseline", "serin"), one, strict=True)) for one in found], indent=1)
        )


if __name__ == "__main__":
    main()
